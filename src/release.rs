//! The releases of Datakit Operator, as far as the meaning of a configuration differs between them.

use std::fmt;

/// The release of the Operator that a configuration is written for, as far as its meaning differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// Up to 1.5.12.
    #[default]
    UpTo1_5,
    /// 1.5.13 to 1.6.1: namespaces are regular expressions, and `logfwd` and `profiler` select too.
    Of1_6,
    /// Since 1.7.
    Since1_7,
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::UpTo1_5 => "1.5",
            Self::Of1_6 => "1.5.13 to 1.6.1",
            Self::Since1_7 => "1.8",
        })
    }
}
