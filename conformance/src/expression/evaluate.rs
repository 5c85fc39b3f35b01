//! Evaluating expressions.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::{Command, Expression, Marker, Operator, Send};
use crate::case::FailureKind;
use crate::message::{piece_of_message, text_of};

/// What an expression sees. Whatever is not there is null.
pub trait Environment {
    /// The state, an object.
    fn state(&self) -> Value {
        Value::Null
    }

    /// The value of one key of the state.
    fn get(&self, key: &str) -> Value {
        self.state().get(key).cloned().unwrap_or_default()
    }

    /// A variable of the node, tool or lambda that runs.
    fn variable(&self, _name: &str) -> Value {
        Value::Null
    }

    /// The input of a lambda.
    fn input(&self) -> Value {
        Value::Null
    }

    /// An argument of the tool that runs.
    fn argument(&self, _name: &str) -> Value {
        Value::Null
    }

    /// The id of the tool call that runs.
    fn tool_call_id(&self) -> Value {
        Value::Null
    }
}

/// Nothing to see.
impl Environment for () {}

/// A failure that an expression, an op or a model of a case raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Its type.
    pub kind: FailureKind,
    /// Its text.
    pub message: String,
}

impl Raised {
    /// A failure.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Raised {}

impl From<Raised> for millstream::Error {
    fn from(raised: Raised) -> Self {
        let name = raised.kind.to_string();
        Self::failed(raised).with_name(name)
    }
}

impl Expression {
    /// The value.
    ///
    /// # Errors
    /// What `$raise` raises, and a `TypeError` for operands that an operator cannot take.
    pub fn evaluate(&self, environment: &dyn Environment) -> Result<Value, Raised> {
        self.inside(environment, &Value::Null)
    }

    fn inside(&self, environment: &dyn Environment, item: &Value) -> Result<Value, Raised> {
        let value = |expression: &Self| expression.inside(environment, item);
        Ok(match self {
            Self::Literal(literal) => literal.clone(),
            Self::List(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| Ok((name.clone(), value(field)?)));
                piece_of_message(Value::Object(fields.collect::<Result<_, Raised>>()?))
            }
            Self::Get(key) => environment.get(key),
            Self::State => environment.state(),
            Self::Variable(name) => environment.variable(name),
            Self::Input(key) => part(environment.input(), key.as_deref()),
            Self::Argument(name) => environment.argument(name),
            Self::ToolCallId => environment.tool_call_id(),
            Self::Item(key) => part(item.clone(), key.as_deref()),
            Self::Apply(operator, operands) => {
                let operands: Vec<Value> = operands.iter().map(value).collect::<Result<_, _>>()?;
                operator.apply(&operands)?
            }
            Self::If(operands) => {
                let [test, then, otherwise] = &**operands;
                if is_true(&value(test)?) { value(then)? } else { value(otherwise)? }
            }
            Self::Map(operands) => {
                let [list, body] = &**operands;
                let Value::Array(items) = value(list)? else { return Ok(Value::Array(Vec::new())) };
                Value::Array(items.iter().map(|item| body.inside(environment, item)).collect::<Result<_, _>>()?)
            }
            Self::Send(operands) => {
                let [node, arg] = &**operands;
                let Value::String(node) = value(node)? else {
                    return Err(Raised::new(FailureKind::TypeError, "a send goes to a node by its name"));
                };
                Marker::Send(Send { node, arg: value(arg)? }).into()
            }
            Self::Command { graph, update, goto } => {
                let update = update.as_deref().map(value).transpose()?;
                let goto = goto.as_deref().map(value).transpose()?;
                Marker::Command(Command { graph: graph.clone(), update, goto }).into()
            }
            Self::Overwrite(replacement) => Marker::Overwrite(value(replacement)?).into(),
            Self::Raise(kind, message) => return Err(Raised::new(*kind, text(&value(message)?))),
        })
    }
}

impl Operator {
    fn apply(self, operands: &[Value]) -> Result<Value, Raised> {
        let cannot = || {
            let operands = Value::from(operands.to_vec());
            Raised::new(FailureKind::TypeError, format!("{self:?} cannot take {operands}"))
        };
        Ok(match (self, operands) {
            (Self::Add, _) => number(operands, 0, i64::checked_add, |a, b| a + b).ok_or_else(cannot)?,
            (Self::Mul, _) => number(operands, 1, i64::checked_mul, |a, b| a * b).ok_or_else(cannot)?,
            (Self::Lt, [a, b]) => less(a, b).map(Value::from).ok_or_else(cannot)?,
            (Self::Eq, [a, b]) => Value::from(equal(a, b)),
            (Self::Not, [value]) => Value::from(!is_true(value)),
            (Self::Contains, [Value::String(text), Value::String(part)]) => Value::from(text.contains(part.as_str())),
            (Self::Contains, [Value::Array(items), value]) => Value::from(items.iter().any(|item| equal(item, value))),
            (Self::Contains, [Value::Object(fields), Value::String(name)]) => Value::from(fields.contains_key(name)),
            (Self::Concat, _) => Value::from(operands.iter().map(text).collect::<String>()),
            (Self::Cat, _) => {
                let mut joined = Vec::new();
                for operand in operands {
                    match operand {
                        Value::Array(items) => joined.extend(items.iter().cloned()),
                        Value::Null => {}
                        _ => return Err(cannot()),
                    }
                }
                Value::Array(joined)
            }
            (Self::Len, [Value::Null]) => Value::from(0),
            (Self::Len, [Value::Array(items)]) => Value::from(items.len()),
            (Self::Len, [Value::String(text)]) => Value::from(text.chars().count()),
            (Self::Len, [Value::Object(fields)]) => Value::from(fields.len()),
            (Self::Last, [Value::String(text)]) => text.chars().last().map(String::from).into(),
            (Self::Last, [list]) => list.as_array().and_then(|items| items.last()).cloned().unwrap_or_default(),
            (Self::At, [list, at]) => element(list, at).unwrap_or_default(),
            (Self::Content, [Value::String(text)]) => Value::from(text.as_str()),
            (Self::Content, [message]) => Value::from(text_of(message)),
            (Self::Field, [object, Value::String(name)]) => object.get(name).cloned().unwrap_or_default(),
            (Self::Upper, [value]) => Value::from(text(value).to_uppercase()),
            _ => return Err(cannot()),
        })
    }
}

fn part(value: Value, key: Option<&str>) -> Value {
    match (key, value) {
        (None, value) => value,
        (Some(key), Value::Object(mut fields)) => fields.remove(key).unwrap_or_default(),
        (Some(_), _) => Value::Null,
    }
}

/// Only null and false are false.
pub(crate) fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn element(list: &Value, at: &Value) -> Option<Value> {
    let (items, at) = (list.as_array()?, at.as_i64()?);
    let at = if at < 0 { at + i64::try_from(items.len()).ok()? } else { at };
    items.get(usize::try_from(at).ok()?).cloned()
}

fn number(
    operands: &[Value],
    start: i64,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Option<Value> {
    if let Some(whole) = operands.iter().try_fold(start, |sum, operand| whole(sum, as_integer(operand)?)) {
        return Some(whole.into());
    }
    let result = operands.iter().try_fold(start as f64, |sum, operand| Some(float(sum, as_float(operand)?)))?;
    Number::from_f64(result).map(Value::Number)
}

/// A whole number; true is 1 and false is 0, as in Python.
fn as_integer(value: &Value) -> Option<i64> {
    value.as_bool().map(i64::from).or_else(|| value.as_i64())
}

fn as_float(value: &Value) -> Option<f64> {
    value.as_bool().map(|truth| f64::from(u8::from(truth))).or_else(|| value.as_f64())
}

/// Whether `a` is less: numbers, texts, and lists by their first elements that differ.
fn less(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a < b),
        (Value::Array(a), Value::Array(b)) => match a.iter().zip(b).find(|(a, b)| !equal(a, b)) {
            Some((a, b)) => less(a, b),
            None => Some(a.len() < b.len()),
        },
        _ => match (as_integer(a), as_integer(b)) {
            (Some(a), Some(b)) => Some(a < b),
            _ => as_float(a).zip(as_float(b)).map(|(a, b)| a < b),
        },
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_) | Value::Bool(_), Value::Number(_) | Value::Bool(_)) => {
            match (as_integer(a), as_integer(b)) {
                (Some(a), Some(b)) => a == b,
                _ => as_float(a) == as_float(b),
            }
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => same_fields(a, b),
        _ => a == b,
    }
}

fn same_fields(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(name, field)| b.get(name).is_some_and(|other| equal(field, other)))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) if value.get("content").is_some() => text_of(value),
        Value::Number(number) if number.is_f64() => number.as_f64().map(decimal).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// A number with a fraction as Python writes it: `1e+21`, `1e-07`, `2.0`.
fn decimal(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if (-4..16).contains(&exponent) => format!("{number:?}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Node;

    impl Environment for Node {
        fn state(&self) -> Value {
            json!({"n": 2, "messages": [{"type": "human", "content": [{"type": "text", "text": "hi"}]}]})
        }
        fn variable(&self, name: &str) -> Value {
            if name == "x" { json!("var") } else { Value::Null }
        }
        fn input(&self) -> Value {
            json!({"q": "ü"})
        }
    }

    fn value(expression: Value) -> Result<Value, Raised> {
        Expression::try_from(expression).unwrap().evaluate(&Node)
    }

    #[test]
    fn operators_give_what_the_format_says() {
        for (expression, expected) in [
            (json!({"$add": [{"$get": "n"}, 1]}), json!(3)),
            (json!({"$mul": [{"$get": "n"}, 1.5]}), json!(3.0)),
            (json!({"$get": "absent"}), json!(null)),
            (json!({"$concat": ["a", 1, null, true, {"$last": {"$get": "messages"}}]}), json!("a1nulltruehi")),
            (json!({"$len": null}), json!(0)),
            (json!({"$if": [0, "yes", "no"]}), json!("yes")),
            (json!({"$not": {"$var": "y"}}), json!(true)),
            (
                json!({"$map": [[1, 2], {"$send": {"node": "w", "arg": {"i": {"$item": true}}}}]}),
                json!([{"$send": {"node": "w", "arg": {"i": 1}}}, {"$send": {"node": "w", "arg": {"i": 2}}}]),
            ),
            (json!({"$quote": {"$get": "n"}}), json!({"$get": "n"})),
            (json!({"a": [{"$var": "x"}]}), json!({"a": ["var"]})),
            (json!({"$at": [[1], 3]}), json!(null)),
            (json!({"$contains": [["a", "b"], "b"]}), json!(true)),
            (json!({"$upper": {"$in": "q"}}), json!("Ü")),
            (json!({"$command": {"goto": "a"}}), json!({"$command": {"goto": "a"}})),
            (json!({"$cat": [[1], [2]]}), json!([1, 2])),
            (json!({"$eq": [{"$len": [1]}, 1.0]}), json!(true)),
            (json!({"$eq": [true, 1]}), json!(true)),
            (json!({"$add": [true, 2]}), json!(3)),
            (json!({"$lt": [[1, "a"], [1, "b"]]}), json!(true)),
            (json!({"$lt": [9_007_199_254_740_992_u64, 9_007_199_254_740_993_u64]}), json!(true)),
            (
                json!({"$concat": [0.5, " ", 2.0, " ", 1e21, " ", 1e-7, " ", 1.5e16]}),
                json!("0.5 2.0 1e+21 1e-07 1.5e+16"),
            ),
            (json!({"$last": "abc"}), json!("c")),
        ] {
            assert_eq!(value(expression.clone()), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn a_raise_only_fails_where_it_is_reached() {
        let raise = json!({"$raise": ["ValueError", "no"]});
        assert_eq!(value(json!({"$if": [true, 1, raise]})), Ok(json!(1)));
        assert_eq!(value(json!({"$if": [null, 1, raise]})), Err(Raised::new(FailureKind::ValueError, "no")));
    }

    #[test]
    fn what_is_not_an_operator_is_not_guessed() {
        assert!(Expression::try_from(json!({"$sub": [1, 2]})).is_err());
        assert!(Expression::try_from(json!({"$raise": ["OSError", "x"]})).is_err());
    }
}
