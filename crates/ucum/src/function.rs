//! Units that are no multiple of others: temperatures, logarithms, slopes.
//!
//! Source: UCUM §21 "special units on non-ratio scales".

/// A special unit's scale: from its number to a number of the proper unit behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Celsius,
    Fahrenheit,
    Reaumur,
    /// `base` to the power of the number times `times`, per thousand.
    Power {
        base: u32,
        times_milli: i32,
    },
    Exp,
    Square,
    /// Number in hundredths, its arc tangent.
    Slope,
}

impl Function {
    /// By the name that the table of units gives.
    pub fn by_name(name: &str) -> Option<Function> {
        let power = |base, times_milli| Some(Function::Power { base, times_milli });
        match name {
            "Cel" => Some(Function::Celsius),
            "degF" => Some(Function::Fahrenheit),
            "degRe" => Some(Function::Reaumur),
            "ln" => Some(Function::Exp),
            "lg" => power(10, 1000),
            "lgTimes2" => power(10, 500),
            "ld" => power(2, 1000),
            "pH" | "hpX" => power(10, -1000),
            "hpC" => power(100, -1000),
            "hpM" => power(1000, -1000),
            "hpQ" => power(50_000, -1000),
            "sqrt" => Some(Function::Square),
            "tanTimes100" | "100tan" => Some(Function::Slope),
            _ => None,
        }
    }

    /// To the proper unit. The proper unit of temperatures is that of the table: 5 K/9 for
    /// Fahrenheit.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Function::Celsius => x + 273.15,
            Function::Fahrenheit => x + 459.67,
            // 273.15 K in units of 5 K/4.
            Function::Reaumur => x + 218.52,
            Function::Power { base, times_milli } => {
                f64::from(base).powf(x * f64::from(times_milli) / 1000.0)
            }
            Function::Exp => x.exp(),
            Function::Square => x * x,
            Function::Slope => (x / 100.0).atan(),
        }
    }

    /// From the proper unit.
    pub fn invert(self, x: f64) -> f64 {
        match self {
            Function::Celsius => x - 273.15,
            Function::Fahrenheit => x - 459.67,
            Function::Reaumur => x - 218.52,
            Function::Power { base, times_milli } => {
                x.log10() / f64::from(base).log10() * 1000.0 / f64::from(times_milli)
            }
            Function::Exp => x.ln(),
            Function::Square => x.sqrt(),
            Function::Slope => x.tan() * 100.0,
        }
    }

    /// Whether larger numbers are larger amounts, for every number.
    pub fn is_increasing(self) -> bool {
        match self {
            Function::Power { times_milli, .. } => times_milli > 0,
            Function::Square => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_an_inverse() {
        for name in
            ["Cel", "degF", "degRe", "ln", "lg", "lgTimes2", "ld", "pH", "hpC", "sqrt", "100tan"]
        {
            let function = Function::by_name(name).expect(name);
            let back = function.invert(function.apply(4.2));
            assert!((back - 4.2).abs() < 1e-9, "{name}: {back}");
            let is_larger = function.apply(4.3) > function.apply(4.2);
            assert!(!function.is_increasing() || is_larger, "{name}");
        }
        assert!(Function::by_name("other").is_none());
    }
}
