//! The subset of the unified expression language (`${…}`) that conditions of JVM engines use,
//! rewritten as FEEL: comparisons, `and`/`or`/`not`, `empty`, arithmetic, `? :`, property paths.
//! Calls of Java methods are refused, except reading a variable of the execution and counting from
//! now (`${dateTime().plusDays(3).toDate()}`).
//!
//! Operands of unlike types are made alike as JSR 245 (EL 2.1, 1.8 and 1.18) demands: a text is
//! taken for a number beside a number and for a truth value beside one. FEEL would give null.

mod moment;

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

/// Some operands are written twice, so chains of them could grow without end.
const LONGEST_FEEL: usize = 20_000;

/// A part in FEEL.
struct Piece {
    feel: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Known when it is evaluated.
    Any,
    /// A number, or arithmetic.
    Number,
    /// A text in quotation marks.
    Text,
    /// `true`, `false`, or a comparison.
    Truth,
    /// A date with a time, counted from now.
    Moment,
    Null,
}

impl Piece {
    fn new(feel: String, kind: Kind) -> Result<Self, String> {
        if feel.len() > LONGEST_FEEL {
            return Err("the expression is too long or nested too deeply".to_owned());
        }
        Ok(Self { feel, kind })
    }

    /// As operand of a number.
    fn number(&self) -> String {
        match self.kind {
            Kind::Number => self.feel.clone(),
            _ => format!("number(string({}), null, \".\")", self.feel),
        }
    }

    /// As operand of `and`, `or`, `not` and `? :`.
    fn truth(&self) -> String {
        match self.kind {
            Kind::Truth => self.feel.clone(),
            _ => format!("(string({}) = \"true\")", self.feel),
        }
    }
}

/// Rewrites the inside of `${…}`.
pub fn to_feel(text: &str) -> Result<String, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let feel = parser.choice()?.feel;
    match parser.tokens.get(parser.at) {
        None => Ok(feel),
        Some(token) => Err(format!("`{token:?}` is not expected in `{text}`")),
    }
}

/// `==`: of unlike operands the text is made what the other is.
fn equal(left: &Piece, right: &Piece) -> String {
    let (a, b) = (&left.feel, &right.feel);
    match (left.kind, right.kind) {
        (Kind::Null, _) | (_, Kind::Null) => format!("{a} = {b}"),
        (Kind::Moment, _) | (_, Kind::Moment) => moment::compare(left, "=", right),
        (kind, other) if kind == other && kind != Kind::Any => format!("{a} = {b}"),
        (Kind::Number, _) | (_, Kind::Number) => {
            format!("{} = {}", left.number(), right.number())
        }
        (Kind::Any, Kind::Any) => format!("{a} = {b} or string({a}) = string({b})"),
        _ => format!("string({a}) = string({b})"),
    }
}

/// `<` and its like: numbers when one of them is a number, texts otherwise.
fn compare(left: &Piece, sign: &str, right: &Piece) -> String {
    let (a, b) = (&left.feel, &right.feel);
    let (m, n) = (left.number(), right.number());
    match (left.kind, right.kind) {
        (Kind::Moment, _) | (_, Kind::Moment) => moment::compare(left, sign, right),
        (Kind::Number, _) | (_, Kind::Number) => format!("({m} {sign} {n})"),
        (Kind::Text, Kind::Text) => format!("({a} {sign} {b})"),
        // A text beside a number, or a number as a text, is null, so one of the three counts.
        _ => format!(
            "(if {a} {sign} {b} or {a} {sign} number({b}, null, \".\") or number({a}, null, \".\") {sign} {b} then true else false)"
        ),
    }
}

/// `+` and `-`: numbers, also such as stand in texts. Other texts are joined by `+`, where those
/// engines would stop with an error.
fn add(left: &Piece, sign: &str, right: &Piece) -> Result<Piece, String> {
    let (a, b) = (&left.feel, &right.feel);
    let sum = format!("{} {sign} {}", left.number(), right.number());
    let is_text = left.kind == Kind::Text || right.kind == Kind::Text;
    let (feel, kind) = match (left.kind, right.kind) {
        (Kind::Number, Kind::Number) => (format!("({sum})"), Kind::Number),
        _ if sign == "-" => (format!("({sum})"), Kind::Number),
        _ if is_text => (format!("({a} + {b})"), Kind::Any),
        _ => (
            format!("(if ({sum}) = null then {a} + {b} else {sum})"),
            Kind::Any,
        ),
    };
    Piece::new(feel, kind)
}

/// Empty texts, lists and maps, as `string` writes them.
const NOTHING: &str = "[\"\", \"[]\", \"{}\"]";

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            let (value, length) = literal(rest, first)?;
            tokens.push(Token::Text(value));
            length
        } else if first.is_ascii_digit() {
            let (number, length) = number(rest);
            tokens.push(Token::Number(number));
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

/// A number, and its length; `1.5e3` is written out, as FEEL has no such form.
fn number(text: &str) -> (String, usize) {
    let end = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len())
    };
    let length = end(text);
    let (digits, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    let Some(power) = rest.strip_prefix(['e', 'E']) else {
        return (digits.to_owned(), length);
    };
    let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
    let size = end(unsigned);
    let sign = if power.starts_with('-') { "-" } else { "" };
    match unsigned.get(..size).filter(|size| !size.is_empty()) {
        Some(size) => (
            format!("({digits} * 10 ** {sign}{size})"),
            length + 1 + (power.len() - unsigned.len()) + size.len(),
        ),
        None => (digits.to_owned(), length),
    }
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

    fn choice(&mut self) -> Result<Piece, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("the expression is nested too deeply".to_owned());
        }
        let condition = self.any()?;
        let result = if self.take("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            let no = self.choice()?;
            let feel = format!(
                "(if {} then {} else {})",
                condition.truth(),
                yes.feel,
                no.feel
            );
            Piece::new(feel, Kind::Any)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(result)
    }

    fn any(&mut self) -> Result<Piece, String> {
        let mut left = self.all()?;
        while self.take("||") {
            let feel = format!("({} or {})", left.truth(), self.all()?.truth());
            left = Piece::new(feel, Kind::Truth)?;
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Piece, String> {
        let mut left = self.equality()?;
        while self.take("&&") {
            let feel = format!("({} and {})", left.truth(), self.equality()?.truth());
            left = Piece::new(feel, Kind::Truth)?;
        }
        Ok(left)
    }

    fn equality(&mut self) -> Result<Piece, String> {
        let mut left = self.relation()?;
        while let Some(sign) = self.one_of(&["==", "!="]) {
            let equal = equal(&left, &self.relation()?);
            // Nothing is not equal to a text, where FEEL would say neither.
            let feel = if sign == "==" {
                format!("(if {equal} then true else false)")
            } else {
                format!("(if {equal} then false else true)")
            };
            left = Piece::new(feel, Kind::Truth)?;
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Piece, String> {
        let mut left = self.sum()?;
        while let Some(sign) = self.one_of(&["<=", ">=", "<", ">"]) {
            left = Piece::new(compare(&left, sign, &self.sum()?), Kind::Truth)?;
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Piece, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.one_of(&["+", "-"]) {
            left = add(&left, sign, &self.product()?)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Piece, String> {
        let mut left = self.unary()?;
        while let Some(sign) = self.one_of(&["*", "/", "%"]) {
            let (a, b) = (left.number(), self.unary()?.number());
            let feel = if sign == "%" {
                // The rest has the sign of what is divided; that of FEEL has the divisor's.
                format!("(if {a} < 0 then -modulo(-({a}), abs({b})) else modulo({a}, abs({b})))")
            } else {
                format!("({a} {sign} {b})")
            };
            left = Piece::new(feel, Kind::Number)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Piece, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("the expression is nested too deeply".to_owned());
        }
        let result = if self.take("!") {
            // Nothing is false there, and so its contrary is true.
            let feel = format!("(if {} = true then false else true)", self.unary()?.truth());
            Piece::new(feel, Kind::Truth)?
        } else if self.take("-") {
            Piece::new(format!("-({})", self.unary()?.feel), Kind::Number)?
        } else if matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word == "empty") {
            self.at += 1;
            let value = self.unary()?.feel;
            // Comparing unlike types gives null, so a text is compared whatever the value is.
            let feel = format!("({value} = null or list contains({NOTHING}, string({value})))");
            Piece::new(feel, Kind::Truth)?
        } else {
            self.path()?
        };
        self.depth -= 1;
        Ok(result)
    }

    fn path(&mut self) -> Result<Piece, String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        let mut value = match token {
            Some(Token::Number(number)) => Piece::new(number, Kind::Number)?,
            Some(Token::Text(text)) => Piece::new(quoted(&text), Kind::Text)?,
            Some(Token::Word(word)) if word == "execution" => {
                Piece::new(self.variable()?, Kind::Any)?
            }
            Some(Token::Word(word)) if self.calls_a_clock(&word) => Piece::now()?,
            Some(Token::Word(word)) => match word.as_str() {
                "true" | "false" => Piece::new(word, Kind::Truth)?,
                "null" => Piece::new(word, Kind::Null)?,
                _ => Piece::new(crate::expr::renamed(&word), Kind::Any)?,
            },
            Some(Token::Sign("(")) => {
                let inner = self.choice()?;
                self.expect(")")?;
                Piece::new(format!("({})", inner.feel), inner.kind)?
            }
            _ => return Err("a value is missing".to_owned()),
        };
        loop {
            value = if self.take(".") {
                match value.kind {
                    Kind::Moment => self.method_of_moment(&value)?,
                    _ => self.property(&value.feel)?,
                }
            } else if self.take("[") {
                self.entry(&value.feel)?
            } else if self.take("(") {
                return Err("calling a method of a Java object is not supported".to_owned());
            } else {
                return Ok(value);
            };
        }
    }

    /// After a dot.
    fn property(&mut self, value: &str) -> Result<Piece, String> {
        let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
            return Err("a property name is missing".to_owned());
        };
        self.at += 1;
        if self.take("(") {
            return self.method(value, &name);
        }
        Piece::new(format!("{value}.{name}"), Kind::Any)
    }

    /// After an opening square bracket.
    fn entry(&mut self, value: &str) -> Result<Piece, String> {
        let feel = match self.tokens.get(self.at).cloned() {
            Some(Token::Text(name)) => format!("get value({value}, {})", quoted(&name)),
            // Lists count from zero there, from one here.
            Some(Token::Number(index)) => format!("{value}[{index} + 1]"),
            _ => return Err("only a text or a number may stand in brackets".to_owned()),
        };
        self.at += 1;
        self.expect("]")?;
        Piece::new(feel, Kind::Any)
    }

    /// Methods of Java texts and lists that mean something in FEEL; the opening bracket is read.
    fn method(&mut self, value: &str, name: &str) -> Result<Piece, String> {
        let argument = if self.take(")") {
            None
        } else {
            let argument = self.choice()?.feel;
            self.expect(")")?;
            Some(argument)
        };
        let (feel, kind) = match (name, argument) {
            ("contains", Some(part)) => (
                format!(
                    "(contains({value}, {part}) = true or list contains({value}, {part}) = true)"
                ),
                Kind::Truth,
            ),
            ("equals", Some(other)) => (format!("({value} = {other})"), Kind::Truth),
            ("equalsIgnoreCase", Some(other)) => (
                format!("(lower case({value}) = lower case({other}))"),
                Kind::Truth,
            ),
            ("startsWith", Some(part)) => (format!("starts with({value}, {part})"), Kind::Truth),
            ("endsWith", Some(part)) => (format!("ends with({value}, {part})"), Kind::Truth),
            ("length", None) => (format!("string length({value})"), Kind::Number),
            ("size", None) => (format!("count({value})"), Kind::Number),
            ("isEmpty", None) => (
                format!("list contains({NOTHING}, string({value}))"),
                Kind::Truth,
            ),
            ("toLowerCase", None) => (format!("lower case({value})"), Kind::Any),
            ("toUpperCase", None) => (format!("upper case({value})"), Kind::Any),
            _ => return Err(format!("calling the Java method `{name}` is not supported")),
        };
        Piece::new(feel, kind)
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
            let name = crate::expr::renamed(name);
            self.at += 5;
            return Ok(name);
        }
        Err("of `execution` only `getVariable('name')` is supported".to_owned())
    }
}
