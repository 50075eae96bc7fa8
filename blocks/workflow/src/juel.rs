//! The subset of the unified expression language (`${…}`) that conditions of JVM engines use,
//! rewritten as FEEL: comparisons, `and`/`or`/`not`, `empty`, arithmetic, `? :`, property paths.
//! Calls of Java methods are refused, except reading a variable of the execution.

use crate::expr::quoted;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "?", ":", "!", "<", ">", "+", "-", "*",
    "/", "%", ".", ",",
];

/// Rewrites the inside of `${…}`.
pub fn to_feel(text: &str) -> Result<String, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let feel = parser.choice()?;
    match parser.tokens.get(parser.at) {
        None => Ok(feel),
        Some(token) => Err(format!("`{token:?}` is not expected in `{text}`")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            let (value, length) = literal(rest, first)?;
            tokens.push(Token::Text(value));
            length
        } else if first.is_ascii_digit() {
            let length = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            tokens.push(Token::Number(
                rest.get(..length).unwrap_or_default().to_owned(),
            ));
            length
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(word(rest.get(..length).unwrap_or_default()));
            length
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is not understood in `{text}`"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn word(word: &str) -> Token {
    Token::Sign(match word {
        "eq" => "==",
        "ne" => "!=",
        "lt" => "<",
        "gt" => ">",
        "le" => "<=",
        "ge" => ">=",
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        "div" => "/",
        "mod" => "%",
        _ => return Token::Word(word.to_owned()),
    })
}

fn literal(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            value.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Ok((value, at + c.len_utf8()));
        } else {
            value.push(c);
        }
    }
    Err("a text is not closed".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
}

impl Parser {
    fn take(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn one_of(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.take(sign))
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("`{sign}` is missing"))
        }
    }

    fn choice(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("the expression is nested too deeply".to_owned());
        }
        let condition = self.any()?;
        let result = if self.take("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            let no = self.choice()?;
            format!("(if {condition} then {yes} else {no})")
        } else {
            condition
        };
        self.depth -= 1;
        Ok(result)
    }

    fn any(&mut self) -> Result<String, String> {
        let mut left = self.all()?;
        while self.take("||") {
            left = format!("({left} or {})", self.all()?);
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<String, String> {
        let mut left = self.equality()?;
        while self.take("&&") {
            left = format!("({left} and {})", self.equality()?);
        }
        Ok(left)
    }

    fn equality(&mut self) -> Result<String, String> {
        let mut left = self.relation()?;
        while let Some(sign) = self.one_of(&["==", "!="]) {
            let right = self.relation()?;
            left = format!("({left} {} {right})", if sign == "==" { "=" } else { "!=" });
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<String, String> {
        let mut left = self.sum()?;
        while let Some(sign) = self.one_of(&["<=", ">=", "<", ">"]) {
            left = format!("({left} {sign} {})", self.sum()?);
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<String, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.one_of(&["+", "-"]) {
            left = format!("({left} {sign} {})", self.product()?);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<String, String> {
        let mut left = self.unary()?;
        while let Some(sign) = self.one_of(&["*", "/", "%"]) {
            let right = self.unary()?;
            left = if sign == "%" {
                format!("modulo({left}, {right})")
            } else {
                format!("({left} {sign} {right})")
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("the expression is nested too deeply".to_owned());
        }
        let result = if self.take("!") {
            // Nothing is false there, and so its contrary is true.
            format!("(if ({}) = true then false else true)", self.unary()?)
        } else if self.take("-") {
            format!("-({})", self.unary()?)
        } else if matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word == "empty") {
            self.at += 1;
            let value = self.unary()?;
            // Comparing unlike types gives null, so a text is compared whatever the value is.
            format!("({value} = null or string({value}) = \"\" or string({value}) = \"[]\")")
        } else {
            self.path()?
        };
        self.depth -= 1;
        Ok(result)
    }

    fn path(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        let mut value = match token {
            Some(Token::Number(number)) => number,
            Some(Token::Text(text)) => quoted(&text),
            Some(Token::Word(word)) if word == "execution" => self.variable()?,
            Some(Token::Word(word)) => word,
            Some(Token::Sign("(")) => {
                let inner = self.choice()?;
                self.expect(")")?;
                format!("({inner})")
            }
            _ => return Err("a value is missing".to_owned()),
        };
        loop {
            if self.take(".") {
                match self.tokens.get(self.at).cloned() {
                    Some(Token::Word(name))
                        if self.tokens.get(self.at + 1) == Some(&Token::Sign("(")) =>
                    {
                        self.at += 2;
                        value = self.method(&value, &name)?;
                        continue;
                    }
                    Some(Token::Word(name)) => value = format!("{value}.{name}"),
                    _ => return Err("a property name is missing".to_owned()),
                }
                self.at += 1;
            } else if self.take("[") {
                value = match self.tokens.get(self.at).cloned() {
                    Some(Token::Text(name)) => format!("{value}.{name}"),
                    // Lists count from zero there, from one here.
                    Some(Token::Number(index)) => format!("{value}[{index} + 1]"),
                    _ => return Err("only a text or a number may stand in brackets".to_owned()),
                };
                self.at += 1;
                self.expect("]")?;
            } else if self.take("(") {
                return Err("calling a method of a Java object is not supported".to_owned());
            } else {
                return Ok(value);
            }
        }
    }

    /// Methods of Java texts and lists that mean something in FEEL; the opening bracket is read.
    fn method(&mut self, value: &str, name: &str) -> Result<String, String> {
        let argument = if self.take(")") {
            None
        } else {
            let argument = self.choice()?;
            self.expect(")")?;
            Some(argument)
        };
        Ok(match (name, argument) {
            ("contains", Some(part)) => {
                format!(
                    "(contains({value}, {part}) = true or list contains({value}, {part}) = true)"
                )
            }
            ("equals", Some(other)) => format!("({value} = {other})"),
            ("equalsIgnoreCase", Some(other)) => {
                format!("(lower case({value}) = lower case({other}))")
            }
            ("startsWith", Some(part)) => format!("starts with({value}, {part})"),
            ("endsWith", Some(part)) => format!("ends with({value}, {part})"),
            ("length", None) => format!("string length({value})"),
            ("size", None) => format!("count({value})"),
            ("isEmpty", None) => format!("(string({value}) = \"\" or string({value}) = \"[]\")"),
            ("toLowerCase", None) => format!("lower case({value})"),
            ("toUpperCase", None) => format!("upper case({value})"),
            _ => return Err(format!("calling the Java method `{name}` is not supported")),
        })
    }

    /// `execution.getVariable('name')`.
    fn variable(&mut self) -> Result<String, String> {
        let call = self.tokens.get(self.at..self.at + 5);
        if let Some(
            [
                Token::Sign("."),
                Token::Word(get),
                Token::Sign("("),
                Token::Text(name),
                Token::Sign(")"),
            ],
        ) = call
            && (get == "getVariable" || get == "getVariableLocal")
        {
            let name = name.clone();
            self.at += 5;
            return Ok(name);
        }
        Err("of `execution` only `getVariable('name')` is supported".to_owned())
    }
}
