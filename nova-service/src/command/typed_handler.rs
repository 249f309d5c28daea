use nova_errors::ServiceError;
use nova_models::{CallContext, Command as TypedCommand};

use super::{Command, CommandReply};

/// Runs the handler of a typed command, so that the calls it makes carry the envelope's request id.
pub(crate) async fn answer<C, F, Fut>(
    command: Command<C>,
    handler: F,
) -> Result<CommandReply<C::Reply>, ServiceError>
where
    C: TypedCommand,
    F: FnOnce(C) -> Fut,
    Fut: Future<Output = Result<C::Reply, ServiceError>>,
{
    let id = command.request_id().clone();
    let mut context = CallContext::current().unwrap_or_default();
    context.request_id = Some(id.clone());
    let handling = async { handler(command.into_inner()).await };
    let data = context.scope(handling).await?;
    Ok(CommandReply::new(id, data))
}
