use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nova_api_gateway as gateway;
use nova_auth_service as auth;
use nova_content_service as content;
use nova_events::EmbeddedKafka;
use nova_feed_service as feed;
use nova_kit::{Environment, Kafka, TopicMaker};
use nova_models::{HealthState, HealthStatus};
use nova_service::Supervisor;
use nova_user_service as user;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::databases::Databases;
use crate::hosted::Hosted;

/// How long the services may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long everything may take to drain and stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Where the platform keeps its data and which broker it uses.
pub(crate) struct StackSettings {
    databases: Databases,
    kafka: Option<Kafka>,
    direct_call: bool,
}

impl StackSettings {
    /// Reads the environment; `data` is the folder for the databases.
    pub(crate) fn read(mut environment: Environment, data: Option<&Path>) -> anyhow::Result<Self> {
        let kafka = Kafka::read_optional(&mut environment);
        let direct_call = environment.optional("ENABLE_DIRECT_CALL", "true or false");
        let databases = Databases::read(&mut environment, data);
        environment.finish()?;
        Ok(Self {
            databases: databases?,
            kafka,
            direct_call: direct_call.unwrap_or(false),
        })
    }
}

/// Everything that runs.
pub(crate) struct Stack {
    services: Vec<Address>,
    gateway: String,
    brokers: String,
    // In this order at the end: the broker, then the folder.
    _kafka: Option<EmbeddedKafka>,
    databases: Databases,
}

struct Address {
    name: &'static str,
    http: SocketAddr,
    grpc: Option<SocketAddr>,
}

impl Stack {
    /// Starts every service. The supervisor stops them in the reverse order, so that each has what
    /// it stands on until it is done.
    pub(crate) async fn start(settings: StackSettings) -> anyhow::Result<(Self, Supervisor)> {
        let StackSettings {
            databases,
            kafka,
            direct_call,
        } = settings;
        let (embedded, kafka) = match kafka {
            Some(kafka) => {
                if let Err(error) = TopicMaker::new(&kafka).make().await {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the topics can't be made for now"
                    );
                }
                (None, kafka)
            }
            None => {
                let (embedded, kafka) = embedded_kafka()?;
                (Some(embedded), kafka)
            }
        };
        let mut supervisor = Supervisor::builder("nova-platform")
            .shutdown_deadline(STOP_WITHIN)
            .build()?;
        let mut services = Vec::new();

        let config = auth::Config {
            http: listen(8081).await?,
            grpc: listen(8084).await?,
            database: databases.of("auth").await?,
            kafka: kafka.clone(),
        };
        let (auth_http, auth_grpc) = (config.http.local_addr()?, config.grpc.local_addr()?);
        let auth_url = format!("http://{auth_grpc}");
        supervisor.spawn(Hosted::new(auth::NAME, |shutdown| {
            auth::serve(config, shutdown)
        }));
        services.push(Address {
            name: auth::NAME,
            http: auth_http,
            grpc: Some(auth_grpc),
        });

        macro_rules! service {
            ($service:ident, $port:literal, $config:expr) => {{
                let http = listen($port).await?;
                let address = http.local_addr()?;
                let config = $config(http);
                supervisor.spawn(Hosted::new($service::NAME, |shutdown| {
                    $service::serve(config, shutdown)
                }));
                services.push(Address {
                    name: $service::NAME,
                    http: address,
                    grpc: None,
                });
                format!("http://{address}")
            }};
        }
        let database = databases.of("user").await?;
        let user = service!(user, 8082, |http| user::Config {
            http,
            database,
            kafka: kafka.clone(),
            auth_url: auth_url.clone(),
        });
        let database = databases.of("content").await?;
        let content = service!(content, 8083, |http| content::Config {
            http,
            database,
            kafka: kafka.clone(),
            auth_url: auth_url.clone(),
        });
        let database = databases.of("feed").await?;
        let feed = service!(feed, 8085, |http| feed::Config {
            http,
            database,
            kafka: kafka.clone(),
            auth_url: auth_url.clone(),
            direct_call: direct_call.then(|| content.clone()),
        });
        let gateway = service!(gateway, 8080, |http| gateway::Config {
            http,
            auth_url,
            upstreams: gateway::Upstreams {
                auth: format!("http://{auth_http}"),
                user,
                content,
                feed,
            },
        });

        let stack = Self {
            services,
            gateway,
            brokers: kafka.brokers().to_owned(),
            _kafka: embedded,
            databases,
        };
        Ok((stack, supervisor))
    }

    /// Waits until every service says that it is well, with all that it depends on.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let all_well = async {
            for service in &self.services {
                let url = format!("http://{}/health/ready", service.http);
                while !is_well(&client, &url).await {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        };
        timeout(READY_WITHIN, all_well)
            .await
            .context("wait until every service is ready")
    }

    /// The gateway, as `http://HOST:PORT`.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The broker's addresses.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Where the data is.
    pub(crate) fn data(&self) -> String {
        self.databases.to_string()
    }

    /// Name, HTTP address and gRPC address of each service.
    pub(crate) fn table(&self) -> impl Iterator<Item = (&'static str, String, String)> {
        self.services.iter().map(|service| {
            let grpc = service
                .grpc
                .map_or_else(|| "–".to_owned(), |grpc| grpc.to_string());
            (service.name, format!("http://{}", service.http), grpc)
        })
    }
}

async fn is_well(client: &reqwest::Client, url: &str) -> bool {
    let health = async { client.get(url).send().await?.json::<HealthStatus>().await };
    health
        .await
        .is_ok_and(|health| health.status == HealthState::Healthy)
}

/// A broker in this process, with the platform's topics.
fn embedded_kafka() -> anyhow::Result<(EmbeddedKafka, Kafka)> {
    let embedded = EmbeddedKafka::start(1).context("start the embedded Kafka")?;
    let kafka = Kafka::new(embedded.bootstrap_servers(), "nova")?;
    for (topic, partitions) in kafka.topics()? {
        embedded.create_topic(&topic, partitions)?;
    }
    Ok((embedded, kafka))
}

/// The usual port of a service, or any free one where it is taken.
async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => nova_kit::bind(([127, 0, 0, 1], 0).into()).await,
    }
}
