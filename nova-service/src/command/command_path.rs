const PREFIX: &str = "/api/v1/";

/// The route of the commands that no other route takes.
pub(crate) const COMMAND_ROUTE: &str = "/api/v1/{target_service}/{*endpoint}";

/// Target and endpoint of a command's path as they stand there, neither decoded nor checked; `None` where the path is another.
pub(crate) fn command_path(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(PREFIX)?.split_once('/')
}

/// The path of a command.
pub(super) fn path_of(target: &str, endpoint: &str) -> String {
    format!("{PREFIX}{target}/{endpoint}")
}
