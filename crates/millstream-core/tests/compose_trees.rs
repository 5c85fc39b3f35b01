//! Chains put together at random out of all combinators: the three ways of reading them agree, whatever stands in what.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::values::any_pieces;
use common::watched::{heard, heard_with_attempts};
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{
    Assign, Branch, Chain, Configurable, Demo, Error, ErrorKind, Lambda, MemoryHistory, Messages, Model, Parallel,
    Passthrough, Payload, Pick, PickSome, Piece, Prompt, RateLimit, Retry, Runnable, Text, ToolStep, Vars, tool,
};
use proptest::prelude::*;
use serde_json::{Value, json};

type Step = Chain<Payload, Payload>;

/// A chain of values of any type, as it can be shown and made smaller.
#[derive(Clone, Debug)]
enum Tree {
    Same,
    /// Texts in capitals, piece by piece.
    Loud,
    /// The value as JSON text, character by character.
    Spelled,
    /// A function of the whole.
    Counted,
    /// Fails on values whose JSON has an odd length, before it says anything.
    FailsOnOdd,
    Tool,
    Says,
    Remembers,
    Limited,
    Sequence(Vec<Tree>),
    Named(Box<Tree>),
    Taking(Box<Tree>),
    Map(Vec<Tree>),
    Assigned(Vec<Tree>),
    Picked(Box<Tree>),
    Some(Box<Tree>),
    Chosen(Box<Tree>, Box<Tree>),
    Configured(Box<Tree>, Box<Tree>),
    ForEach(Box<Tree>),
    Instead(Box<Tree>, Box<Tree>),
    Again(Box<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        2 => Just(Tree::Same),
        2 => Just(Tree::Loud),
        2 => Just(Tree::Spelled),
        1 => Just(Tree::Counted),
        1 => Just(Tree::FailsOnOdd),
        1 => Just(Tree::Tool),
        1 => Just(Tree::Says),
        1 => Just(Tree::Remembers),
        1 => Just(Tree::Limited),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let one = inner.clone().prop_map(Box::new);
        let some = prop::collection::vec(inner, 1..4);
        prop_oneof![
            4 => some.clone().prop_map(Tree::Sequence),
            1 => one.clone().prop_map(Tree::Named),
            1 => one.clone().prop_map(Tree::Taking),
            2 => some.clone().prop_map(Tree::Map),
            2 => some.prop_map(Tree::Assigned),
            1 => one.clone().prop_map(Tree::Picked),
            1 => one.clone().prop_map(Tree::Some),
            1 => (one.clone(), one.clone()).prop_map(|(a, b)| Tree::Chosen(a, b)),
            1 => (one.clone(), one.clone()).prop_map(|(a, b)| Tree::Configured(a, b)),
            1 => one.clone().prop_map(Tree::ForEach),
            2 => (one.clone(), one.clone()).prop_map(|(a, b)| Tree::Instead(a, b)),
            1 => one.prop_map(Tree::Again),
        ]
    })
}

/// Any value as variables.
fn as_vars() -> Chain<Payload, Vars> {
    Lambda::new(|value: Payload| match value.json() {
        Value::Object(fields) => Ok(fields.into_iter().map(|(name, value)| (name, value.into())).collect()),
        other => Ok(Vars::new().with("a", other)),
    })
}

fn as_text() -> Chain<Payload, String> {
    Lambda::new(|value: Payload| Ok(value.json().to_string()))
}

fn spelled() -> Chain<Payload, String> {
    let spelled = Lambda::stream::<String, String, _>(|texts, _| {
        let letters = texts.map_ok(|text| {
            let letters: Vec<_> = text.chars().map(|letter| Ok(letter.to_string().into())).collect();
            futures_util::stream::iter(letters)
        });
        letters.try_flatten().boxed()
    });
    as_text().pipe(spelled)
}

fn model() -> Model {
    Model::from(Demo::says(["one two"]))
}

impl Tree {
    fn step(&self) -> Step {
        match self {
            Self::Same => Passthrough::<Payload>::new().dynamic(),
            Self::Loud => loud().dynamic(),
            Self::Spelled => spelled().dynamic(),
            Self::Counted => as_text().pipe(Lambda::new(|text: String| Ok(text.len()))).dynamic(),
            Self::FailsOnOdd => Lambda::new(|value: Payload| match value.json().to_string().len() % 2 {
                1 => Err(Error::new(ErrorKind::RateLimited, "odd")),
                _ => Ok(value),
            }),
            Self::Tool => {
                let echo = tool("echo", "Says it.", json!({ "type": "object" }), async |call, _| call.args.to_string());
                ToolStep::new(echo).dynamic()
            }
            Self::Says => spelled().pipe(said()).dynamic(),
            Self::Limited => {
                as_text().pipe(asked()).pipe(model().limited(RateLimit::concurrent(1))).pipe(Text).dynamic()
            }
            Self::Remembers => Lambda::future(|value: Payload, cx| {
                let chat = Prompt::new().placeholder("history").human("{q}") | model() | Text;
                let chat = chat.with_history(MemoryHistory::default(), "q", "history").session("s");
                async move { chat.invoke(Vars::new().with("q", value.json().to_string()), &cx).await }
            })
            .dynamic(),
            Self::Sequence(steps) => steps.iter().map(Self::step).reduce(Chain::pipe).unwrap(),
            Self::Named(step) => step.step().named("named").tag("tagged"),
            Self::Taking(step) => as_text().pipe(step.step().taking::<String>()).dynamic(),
            Self::Map(branches) => map(branches).dynamic(),
            Self::Assigned(branches) => as_vars().pipe(assigned(branches)).dynamic(),
            Self::Picked(step) => map(std::slice::from_ref(step)).pipe(Pick::<Payload>::new("0")).dynamic(),
            Self::Some(step) => {
                as_vars().pipe(assigned(std::slice::from_ref(step))).pipe(PickSome::new(["0", "b"])).dynamic()
            }
            Self::Chosen(first, second) => {
                Branch::new().when(|value: &Payload| value.json().is_string(), first.step()).otherwise(second.step())
            }
            Self::Configured(first, second) => {
                Configurable::new("which", "first", first.step()).or("second", second.step()).dynamic()
            }
            Self::ForEach(step) => {
                let list = Lambda::new(|value: Payload| match value.json() {
                    Value::Array(items) => Ok(items.into_iter().map(Payload::new).collect()),
                    other => Ok(vec![Payload::new(other)]),
                });
                list.pipe(step.step().each()).dynamic()
            }
            Self::Instead(first, second) => first.step().with_fallback(second.step()).dynamic(),
            Self::Again(step) => step.step().with_retry(Retry { attempts: 2, ..Retry::default() }).dynamic(),
        }
    }

    /// Whether something may be given up without the run failing.
    fn gives_up(&self) -> bool {
        match self {
            Self::Instead(..) | Self::Again(_) => true,
            Self::Sequence(all) | Self::Map(all) | Self::Assigned(all) => all.iter().any(Self::gives_up),
            Self::Named(one) | Self::Taking(one) | Self::Picked(one) | Self::Some(one) | Self::ForEach(one) => {
                one.gives_up()
            }
            Self::Chosen(first, second) | Self::Configured(first, second) => first.gives_up() || second.gives_up(),
            _ => false,
        }
    }
}

/// Texts in capitals as they come, and everything else as it is.
fn loud() -> Chain<Payload, Payload> {
    Lambda::stream::<Payload, Payload, _>(|pieces, _| {
        let loud = pieces.map_ok(|piece| match piece {
            Piece::Text(text) => Piece::Text(text.to_uppercase().into()),
            Piece::Whole(value) => match value.json() {
                Value::String(text) => Piece::whole(text.to_uppercase()),
                other => Piece::whole(other),
            },
            other => other,
        });
        loud.boxed()
    })
}

fn asked() -> Chain<String, Messages> {
    Lambda::new(|text: String| Ok(Messages::from(text.as_str())))
}

fn said() -> Chain<String, String> {
    asked().pipe(model()).pipe(Text)
}

fn map(branches: &[Tree]) -> Parallel<Payload> {
    let names = (0..).map(|number: usize| number.to_string());
    names.zip(branches).fold(Parallel::new(), |map, (name, branch)| map.with(name, branch.step()))
}

fn assigned(branches: &[Tree]) -> Assign {
    let names = (0..).map(|number: usize| number.to_string());
    names.zip(branches).fold(Assign::new(), |map, (name, branch)| map.with(name, branch.step().taking::<Vars>()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_read_it_gives_the_same(tree in tree(), (value, pieces) in any_pieces()) {
        let step = tree.step();
        if tree.gives_up() {
            heard_with_attempts(&step, value, pieces).agrees_where_attempts_are_made()?.ok();
        } else {
            heard(&step, value, pieces).agrees()?.ok();
        }
    }
}
