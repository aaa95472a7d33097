//! Command-line options. Each can also be set by an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Parser};
use tracing::Level;

/// Serves log configuration to logfwd and elections to DataKit, in place of Datakit Operator.
///
/// Both services are off by default. Each option can also be set by the environment variable shown.
#[derive(Clone, Debug, Parser)]
#[command(name = "datakit-companion", version)]
pub struct Options {
    /// Answer logfwd from ClusterLoggingConfig objects
    #[arg(long, env = "DATAKIT_COMPANION_LOGGING_CONFIGS", action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new())]
    pub logging_configs: bool,

    /// Elect DataKits by Leases
    #[arg(long, env = "DATAKIT_COMPANION_ELECTION", action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new())]
    pub election: bool,

    /// Address to listen on, with TLS
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DATAKIT_COMPANION_LISTEN",
        default_value = "[::]:9543"
    )]
    pub listen: SocketAddr,

    /// Certificate chain in PEM, read again when it changes
    #[arg(long, value_name = "FILE", env = "DATAKIT_COMPANION_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key in PEM, read again when it changes
    #[arg(long, value_name = "FILE", env = "DATAKIT_COMPANION_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Name in the self-signed certificate that is created without --tls-cert; may be repeated
    #[arg(long, value_name = "NAME", env = "DATAKIT_COMPANION_TLS_NAME", value_delimiter = ',',
        default_values = [
            "datakit-operator.datakit.svc",
            "datakit-operator.datakit.svc.cluster.local",
            "localhost",
        ])]
    pub tls_name: Vec<String>,

    /// Namespace of the Leases [default: that of the pod, or of the kubeconfig's context]
    #[arg(long, env = "DATAKIT_COMPANION_NAMESPACE")]
    pub namespace: Option<String>,

    /// Kubeconfig, to run outside a cluster
    #[arg(long, value_name = "FILE", env = "DATAKIT_COMPANION_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, env = "DATAKIT_COMPANION_CONTEXT")]
    pub context: Option<String>,

    /// Log level: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", env = "DATAKIT_COMPANION_LOG_LEVEL", default_value_t = Level::INFO)]
    pub log_level: Level,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_option_has_its_variable() {
        let command = Options::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let name = argument.get_long().unwrap().replace('-', "_").to_uppercase();
            let variable = argument.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("DATAKIT_COMPANION_{name}"));
        }
    }

    #[test]
    fn services_are_off_and_certificates_come_in_pairs() {
        let parse = |arguments: &[&str]| {
            Options::try_parse_from([&["datakit-companion"], arguments].concat())
        };
        let options = parse(&[]).unwrap();
        assert!(!options.logging_configs && !options.election);
        assert_eq!(options.listen.to_string(), "[::]:9543");
        assert_eq!(options.tls_name.len(), 3);
        assert_eq!(parse(&["--tls-name", "a,b"]).unwrap().tls_name, ["a", "b"]);
        assert!(parse(&["--tls-cert", "x"]).is_err());
        assert!(parse(&["--listen", "9543"]).is_err());
        assert!(parse(&["--log-level", "loud"]).is_err());
    }
}
