//! What is known of the engines between two commands, in `.nova/engines` of the checkout.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::process::Process;

/// The engines of one checkout, locked against other commands while this value lives.
#[derive(Debug)]
pub(super) struct State {
    file: PathBuf,
    known: Known,
    _lock: File,
}

/// One engine that was started at least once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) port: u16,
    /// Other ports that only the engine itself uses.
    #[serde(default)]
    pub(super) inner_port: Option<u16>,
    /// Nothing if it was stopped, or if Docker keeps it.
    #[serde(default)]
    pub(super) process: Option<Process>,
}

/// Where the engines come from; one answer for all of them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Provider {
    Docker,
    Packages,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Known {
    provider: Option<Provider>,
    home: Option<PathBuf>,
    engines: BTreeMap<Engine, Record>,
}

impl State {
    /// Reads the state, and waits until no other command has it.
    pub(super) fn lock(root: &Path) -> Result<Self> {
        let dir = root.join(".nova/engines");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let lock = File::create(dir.join("lock"))?;
        lock.lock()
            .context("cannot lock the state of the engines")?;
        let file = dir.join("state.json");
        let mut known: Known = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged: delete it", file.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Known::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        // Temporary folders go when a machine restarts, and the engines with them.
        if known.home.as_ref().is_some_and(|home| !home.is_dir()) {
            known = Known::default();
        }
        Ok(Self {
            file,
            known,
            _lock: lock,
        })
    }

    pub(super) fn provider(&self) -> Option<Provider> {
        self.known.provider
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.known.home.as_deref()
    }

    pub(super) fn record(&self, engine: Engine) -> Option<&Record> {
        self.known.engines.get(&engine)
    }

    pub(super) fn port(&self, engine: Engine) -> Option<u16> {
        self.record(engine).map(|record| record.port)
    }

    /// Whether the engine's process lives and answers.
    pub(super) fn is_running(&self, engine: Engine) -> bool {
        self.record(engine).is_some_and(|record| {
            let lives = match (self.known.provider, &record.process) {
                (Some(Provider::Docker), _) => true,
                (_, Some(process)) => process.is_running(),
                (_, None) => false,
            };
            lives && engine.probe(record.port).is_ok()
        })
    }

    /// Remembers an engine.
    pub(super) fn save(
        &mut self,
        provider: Provider,
        engine: Engine,
        record: Record,
    ) -> Result<()> {
        self.known.provider = Some(provider);
        self.known.engines.insert(engine, record);
        self.write()
    }

    /// Forgets an engine, and with the last one the data folder.
    pub(super) fn forget(&mut self, engine: Engine) -> Result<()> {
        self.known.engines.remove(&engine);
        if self.known.engines.is_empty() {
            if let Some(home) = self.known.home.take() {
                fs::remove_dir_all(&home)
                    .with_context(|| format!("cannot delete {}", home.display()))?;
            }
            self.known.provider = None;
        }
        self.write()
    }

    /// The folder for the engine's data, made if it is not there.
    ///
    /// It is a temporary folder, not one in the checkout: PostgreSQL runs as a user who may not be able to reach that.
    pub(super) fn folder(&mut self, engine: Engine) -> Result<PathBuf> {
        let home = match &self.known.home {
            Some(home) => home.clone(),
            None => {
                let unique = RandomState::new().build_hasher().finish();
                let home = std::env::temp_dir().join(format!("nova-engines-{unique:016x}"));
                fs::create_dir(&home)
                    .with_context(|| format!("cannot create {}", home.display()))?;
                self.known.home = Some(home.clone());
                self.write()?;
                home
            }
        };
        let folder = home.join(engine.name());
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.known)?;
        let partial = self.file.with_extension("partial");
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, &self.file))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// A loopback port that nobody listens on.
///
/// Below the ports that systems hand out by themselves: a client that keeps dialling a stopped engine would, sooner or later, be given
/// that very port for its own end, connect to itself, and keep the engine from coming back.
pub(super) fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let random = RandomState::new().build_hasher().finish();
    let start = u16::try_from(random % u64::from(COUNT))?;
    for step in 0..COUNT {
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!(
        "no loopback port between {FIRST} and {} is free",
        FIRST + COUNT
    )
}
