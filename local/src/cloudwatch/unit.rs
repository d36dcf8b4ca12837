//! CloudWatch's units. Pure.

use serde::{Deserialize, Serialize};

/// One of CloudWatch's units; they're ordered as their names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Unit(u8);

/// All there are, sorted [CloudWatch model, StandardUnit].
const UNITS: [&str; 27] = [
    "Bits",
    "Bits/Second",
    "Bytes",
    "Bytes/Second",
    "Count",
    "Count/Second",
    "Gigabits",
    "Gigabits/Second",
    "Gigabytes",
    "Gigabytes/Second",
    "Kilobits",
    "Kilobits/Second",
    "Kilobytes",
    "Kilobytes/Second",
    "Megabits",
    "Megabits/Second",
    "Megabytes",
    "Megabytes/Second",
    "Microseconds",
    "Milliseconds",
    "None",
    "Percent",
    "Seconds",
    "Terabits",
    "Terabits/Second",
    "Terabytes",
    "Terabytes/Second",
];

impl Unit {
    /// The unit of what has none.
    pub const NONE: Self = Self(20);

    /// The unit of this name.
    pub fn parse(name: &str) -> Option<Self> {
        // What the services write at every message comes first.
        match name {
            "Count" => return Some(Self(4)),
            "Milliseconds" => return Some(Self(19)),
            _ => {}
        }
        let index = UNITS.binary_search(&name).ok()?;
        u8::try_from(index).ok().map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        UNITS.get(usize::from(self.0)).copied().unwrap_or("None")
    }

    /// AWS's list of them, for messages.
    pub fn list() -> String {
        UNITS.join(", ")
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.name().to_owned()
    }
}

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or(format!("{name} isn't a unit"))
    }
}

#[cfg(test)]
mod tests {
    use super::{UNITS, Unit};

    #[test]
    fn every_unit_is_found_by_its_name() {
        for name in UNITS {
            assert_eq!(Unit::parse(name).map(Unit::name), Some(name));
        }
        assert_eq!(Unit::NONE.name(), "None");
        assert_eq!(Unit::parse("Bananas"), None);
    }
}
