//! Conversations of chains in a file: kept whole, in order, across programs.

mod common;

use common::{Directory, block_on};
use futures_util::future::join_all;
use futures_util::{FutureExt, TryStreamExt};
use millstream_core::{
    Chain, Demo, ErrorKind, Finish, History, Message, Messages, Model, Prompt, Result, Runnable, Text, Vars, vars,
};
use millstream_store::Sqlite;
use proptest::prelude::*;
use rusqlite::Connection;

fn texts(messages: &Messages) -> Vec<String> {
    messages.iter().map(Message::text).collect()
}

#[test]
fn what_was_said_is_there_in_order_and_as_it_was() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    block_on(async {
        let mut stopped = Message::ai("Hel");
        stopped.finish = Some(Finish::Cancelled);
        let first = Messages::from([Message::human("Hi"), stopped]);
        let second = Messages::from([Message::human("Again"), Message::ai("Hello.")]);
        let store = Sqlite::open(&path)?;
        store.append("a", first.clone()).await?;
        store.append("b", Messages::from("another")).await?;
        store.append("a", second.clone()).await?;
        drop(store);
        let store = Sqlite::open(&path)?;
        let all: Messages = first.into_iter().chain(second).collect();
        assert_eq!(store.load("a").await?, all);
        assert_eq!(texts(&store.load("b").await?), ["another"]);
        assert_eq!(store.load("c").await?.len(), 0);

        store.clear("a").await?;
        store.clear("c").await?;
        assert_eq!(store.load("a").await?.len(), 0);
        store.append("a", Messages::from("anew")).await?;
        assert_eq!(texts(&store.load("a").await?), ["anew"]);
        assert_eq!(texts(&store.load("b").await?), ["another"]);
        Ok(())
    })
}

#[test]
fn what_is_appended_is_kept_in_the_order_of_the_calls_though_nobody_waits() -> Result<()> {
    let store = Sqlite::in_memory()?;
    for number in 0..100 {
        drop(store.append("a", Messages::from(number.to_string().as_str())));
    }
    let expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(texts(&block_on(store.load("a"))?), expected);
    Ok(())
}

#[test]
fn two_programs_add_to_one_conversation() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let (one, other) = (Sqlite::open(&path)?, Sqlite::open(&path)?);
    block_on(async {
        for number in 0..10 {
            let store = if number % 2 == 0 { &one } else { &other };
            store.append("a", Messages::from(number.to_string().as_str())).await?;
        }
        assert_eq!(texts(&one.load("a").await?).concat(), "0123456789");
        other.clear("a").await?;
        one.append("b", Messages::from("b")).await?;
        assert_eq!(one.load("a").await?.len(), 0);
        Ok(())
    })
}

#[test]
fn a_damaged_message_is_told_and_can_be_forgotten() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    block_on(async {
        store.append("a", Messages::from("one")).await?;
        Connection::open(&path).unwrap().execute_batch("UPDATE message SET json = '{'").unwrap();
        let error = store.load("a").await.expect_err("it cannot be read");
        assert_eq!(error.kind(), ErrorKind::StoreFailed);
        assert!(error.to_string().contains("the session \"a\""), "{error}");
        store.clear("a").await?;
        assert_eq!(store.load("a").await?.len(), 0);
        Ok(())
    })
}

#[test]
fn a_chain_goes_on_in_another_program() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let chat = || -> Result<Chain<Vars, String>> {
        let prompt = Prompt::new().placeholder("history").human("{question}");
        let chain = prompt | Model::from(Demo::says(["Hello Ada."])) | Text;
        Ok(chain.with_history(Sqlite::open(&path)?, "question", "history").session("ada"))
    };
    block_on(async {
        chat()?.run(vars! { question: "I am Ada." }).await?;
        let mut left = chat()?.run(vars! { question: "Who am I?" }).stream();
        let said = left.try_next().await?.expect("a piece");
        assert!(!said.is_empty());
        drop(left);
        let messages = Sqlite::open(&path)?.load("ada").await?;
        assert_eq!(texts(&messages), ["I am Ada.", "Hello Ada.", "Who am I?", &*said]);
        assert_eq!(messages[3].finish, Some(Finish::Cancelled));
        Ok(())
    })
}

proptest! {
    /// Whatever is added and forgotten, in whatever order, is as in a list for each session.
    #[test]
    fn sessions_are_lists(steps in prop::collection::vec((0_usize..3, prop::option::of(1_usize..4)), 1..30)) {
        let store = Sqlite::in_memory().unwrap();
        let mut expected = [const { Vec::<String>::new() }; 3];
        let calls: Vec<_> = steps.iter().enumerate().map(|(number, (session, adds))| {
            let name = session.to_string();
            match adds {
                None => {
                    expected[*session].clear();
                    store.clear(&name)
                }
                Some(count) => {
                    let said: Vec<_> = (0..*count).map(|more| format!("{number}.{more}")).collect();
                    expected[*session].extend(said.iter().cloned());
                    store.append(&name, said.iter().map(Message::human).collect()).boxed()
                }
            }
        }).collect();
        block_on(async {
            for done in join_all(calls).await {
                done.unwrap();
            }
            for (session, expected) in expected.iter().enumerate() {
                assert_eq!(&texts(&store.load(&session.to_string()).await.unwrap()), expected);
            }
        });
    }
}
