use std::collections::BTreeMap;
use std::fmt;

use nova_errors::ServiceError;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::field::refused;

/// The settings of librdkafka: this crate's defaults, over them what a user adds, such as `security.protocol`, and
/// over all what this crate's promises rest on.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    defaults: &'static [(&'static str, &'static str)],
    added: BTreeMap<String, String>,
    owned: BTreeMap<&'static str, String>,
}

impl ClientSettings {
    pub(crate) fn new(
        defaults: &'static [(&'static str, &'static str)],
        owned: &[(&'static str, &str)],
    ) -> Self {
        let owned = owned
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            defaults,
            added: BTreeMap::new(),
            owned: owned.collect(),
        }
    }

    /// Sets what is this crate's own.
    pub(crate) fn own(&mut self, name: &'static str, value: impl Into<String>) {
        self.owned.insert(name, value.into());
    }

    /// Adds a user's setting.
    pub(crate) fn add(&mut self, name: String, value: String) {
        self.added.insert(name, value);
    }

    /// The brokers, checked.
    pub(crate) fn own_brokers(&mut self, brokers: &str) -> Result<(), ServiceError> {
        let each = || brokers.split(',').map(str::trim);
        if each().any(str::is_empty) || brokers.chars().any(char::is_control) {
            return Err(refused("brokers", "expected host:port, host:port, …"));
        }
        self.own("bootstrap.servers", each().collect::<Vec<_>>().join(","));
        Ok(())
    }

    /// All of them, checked: what would break a promise is refused by name.
    pub(crate) fn config(&self) -> Result<ClientConfig, ServiceError> {
        let mut config = ClientConfig::new();
        for (name, value) in self.defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.added {
            if self.owned.contains_key(name.as_str()) {
                return Err(refused("setting", format!("{name} is not to be changed")));
            }
            if name.is_empty() || name.contains('\0') || value.contains('\0') {
                return Err(refused("setting", "expected a name and a value"));
            }
            config.set(name, value);
        }
        for (name, value) in &self.owned {
            config.set(*name, value);
        }
        // Ask the client now rather than at the first use. What it says holds the value, which may be
        // a secret: only the name goes on.
        match config.create_native_config() {
            Ok(_) => Ok(config),
            Err(KafkaError::ClientConfig(_, _, name, _)) => {
                let message = format!("{name} was refused by the Kafka client");
                Err(refused("setting", message))
            }
            Err(error) => {
                Err(ServiceError::Internal("Kafka client settings".into()).with_source(error))
            }
        }
    }
}

impl fmt::Debug for ClientSettings {
    /// Without the user's values: there may be passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("defaults", &self.defaults)
            .field("owned", &self.owned)
            .field("added", &self.added.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_a_promise_rests_on_cannot_be_changed() {
        let mut settings = ClientSettings::new(&[], &[("acks", "all")]);
        settings.add("acks".to_owned(), "0".to_owned());
        let error = settings.config().unwrap_err();
        assert!(error.to_string().contains("acks"));
    }

    #[test]
    fn a_default_can_be_changed() {
        let mut settings = ClientSettings::new(&[("linger.ms", "1")], &[]);
        settings.add("linger.ms".to_owned(), "7".to_owned());
        assert_eq!(settings.config().unwrap().get("linger.ms"), Some("7"));
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        let mut settings = ClientSettings::new(&[], &[]);
        settings.add("no.such.setting".to_owned(), "1".to_owned());
        let error = settings.config().unwrap_err();
        assert_eq!(error.violations()[0].field, "setting");
        assert!(error.to_string().contains("no.such.setting"));
    }

    #[test]
    fn a_password_does_not_show() {
        let mut settings = ClientSettings::new(&[], &[]);
        settings.add("sasl.password".to_owned(), "hunter2".to_owned());
        assert!(!format!("{settings:?}").contains("hunter2"));
        // A value that is refused is not shown either.
        settings.add("session.timeout.ms".to_owned(), "hunter3".to_owned());
        let error = settings.config().unwrap_err();
        assert!(!format!("{error:?}").contains("hunter3"));
    }

    #[test]
    fn brokers_that_name_nothing_are_refused() {
        let mut settings = ClientSettings::new(&[], &[]);
        for brokers in ["", " ", "a:1,", "a\0"] {
            let error = settings.own_brokers(brokers).unwrap_err();
            assert_eq!(error.violations()[0].field, "brokers", "{brokers:?}");
        }
        settings.own_brokers("a:1, b:2").unwrap();
    }
}
