//! Any tree of checkpoints: each store gives what a model gives that copies everything.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Directory, block_on, id, new, task};
use futures_util::future::BoxFuture;
use millstream_core::Result;
use millstream_graph::{
    Change, Checkpoint, Checkpointer, Memory, NewCheckpoint, NewWrites, Stored, TaskWrite, WriteKind,
};
use millstream_store::Sqlite;
use proptest::prelude::*;
use uuid::Uuid;

const CHANNELS: [&str; 4] = ["a", "b", "list", "other list"];
const GRAPHS: [(&str, &str); 4] = [("one", ""), ("one", "inner"), ("two", ""), ("two", "inner")];

/// One call. What it speaks of is chosen from what is there then.
#[derive(Clone, Debug)]
enum Step {
    Put { graph: usize, parent: Option<usize>, changes: Vec<(usize, Alteration)>, writes: Vec<TaskWrite>, again: bool },
    Writes { graph: usize, checkpoint: usize, writes: Vec<TaskWrite> },
    Delete { graph: usize },
    Reopen,
}

#[derive(Clone, Debug)]
enum Alteration {
    Gone,
    Whole(Arc<str>),
    /// Leaves out this many elements at the end.
    List(usize, Vec<Arc<str>>),
    Append(Vec<Arc<str>>),
}

fn text() -> impl Strategy<Value = Arc<str>> {
    let long = (4_000..9_000_usize).prop_map(|length| "x".repeat(length));
    prop_oneof![3 => "[a-zü0]{0,30}", 1 => long].prop_map(|text| text.as_str().into())
}

fn texts() -> impl Strategy<Value = Vec<Arc<str>>> {
    prop::collection::vec(text(), 0..4)
}

fn task_writes() -> impl Strategy<Value = Vec<TaskWrite>> {
    let write = (0..3_u64, 0..4_usize, text()).prop_map(|(number, kind, value)| TaskWrite {
        task: task(number),
        kind: WriteKind::ALL[kind],
        value,
    });
    prop::collection::vec(write, 0..4)
}

fn alteration() -> impl Strategy<Value = Alteration> {
    prop_oneof![
        1 => Just(Alteration::Gone),
        2 => text().prop_map(Alteration::Whole),
        3 => (0..4_usize, texts()).prop_map(|(less, more)| Alteration::List(less, more)),
        6 => texts().prop_map(Alteration::Append),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((0..CHANNELS.len(), alteration()), 0..4);
    // Mostly the newest checkpoint, which is the first.
    let parent = prop_oneof![6 => Just(Some(0)), 3 => (0..50_usize).prop_map(Some), 1 => Just(None)];
    let graph = prop_oneof![3 => Just(0), 1 => 1..GRAPHS.len()];
    prop_oneof![
        20 => (graph, parent, changes, task_writes(), prop::bool::weighted(0.05))
            .prop_map(|(graph, parent, changes, writes, again)| Step::Put { graph, parent, changes, writes, again }),
        5 => (0..GRAPHS.len(), 0..50_usize, task_writes())
            .prop_map(|(graph, checkpoint, writes)| Step::Writes { graph, checkpoint, writes }),
        1 => (1..GRAPHS.len()).prop_map(|graph| Step::Delete { graph }),
        1 => Just(Step::Reopen),
    ]
}

/// Whole checkpoints, by the numbers of their graphs and by their ids.
#[derive(Default)]
struct Model(BTreeMap<(usize, Uuid), Checkpoint>);

impl Model {
    /// The checkpoints of a graph, newest first.
    fn list(&self, graph: usize) -> Vec<Checkpoint> {
        self.0
            .range((graph, Uuid::nil())..=(graph, Uuid::max()))
            .rev()
            .map(|(_, checkpoint)| checkpoint.clone())
            .collect()
    }

    fn put(&mut self, graph: usize, new: &NewCheckpoint) {
        let mut values: HashMap<Arc<str>, Stored> = HashMap::new();
        if let Some(parent) = new.parent {
            self.write(graph, parent, &new.writes);
            values.extend(self.0[&(graph, parent)].values.iter().cloned());
        }
        for (name, change) in &new.changes {
            let before = values.remove(name);
            let after = match change {
                Change::Gone => continue,
                Change::Whole(json) => Stored::Whole(json.clone()),
                Change::List { keep, elements } => {
                    let mut list = match before {
                        Some(Stored::List(list)) => list,
                        _ => Vec::new(),
                    };
                    list.truncate(*keep);
                    list.extend(elements.iter().cloned());
                    Stored::List(list)
                }
            };
            values.insert(name.clone(), after);
        }
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        let NewCheckpoint { id, parent, metadata, created_at, next, .. } = new.clone();
        let checkpoint = Checkpoint { id, parent, metadata, created_at, values, next, writes: Vec::new() };
        self.0.insert((graph, id), checkpoint);
    }

    fn write(&mut self, graph: usize, checkpoint: Uuid, writes: &[TaskWrite]) {
        let known = &mut self.0.get_mut(&(graph, checkpoint)).expect("it was put").writes;
        for write in writes {
            match known.iter_mut().find(|one| (one.task, one.kind) == (write.task, write.kind)) {
                Some(one) => one.value = write.value.clone(),
                None => known.push(write.clone()),
            }
        }
    }

    fn delete(&mut self, thread: &str) {
        self.0.retain(|(graph, _), _| GRAPHS[*graph].0 != thread);
    }

    /// The change that an alteration is, of what a channel has at a checkpoint.
    fn change(&self, graph: usize, parent: Option<Uuid>, channel: &str, alteration: Alteration) -> Change {
        let before = parent.and_then(|parent| common::value(&self.0[&(graph, parent)], channel));
        let len = match before {
            Some(Stored::List(list)) => list.len(),
            _ => 0,
        };
        match alteration {
            Alteration::Gone => Change::Gone,
            Alteration::Whole(json) => Change::Whole(json),
            Alteration::List(less, elements) => Change::List { keep: len.saturating_sub(less), elements },
            Alteration::Append(elements) => Change::List { keep: len, elements },
        }
    }
}

async fn like_the_model(
    mut store: Box<dyn Checkpointer>,
    reopen: impl Fn() -> Option<Sqlite>,
    steps: Vec<Step>,
) -> Result<()> {
    let mut model = Model::default();
    let mut number = 0;
    for step in steps {
        match step {
            Step::Put { graph, parent, changes, writes, again } => {
                let there = model.list(graph);
                // Saved again is the newest, which nothing is built on.
                let again = there.first().filter(|_| again).map(|newest| (newest.id, newest.parent));
                let parent = parent.filter(|_| !there.is_empty()).map(|parent| there[parent % there.len()].id);
                let (id, parent) = again.unwrap_or_else(|| {
                    number += 1;
                    (id(number), parent)
                });
                let mut named = HashMap::new();
                for (channel, alteration) in changes {
                    let name = CHANNELS[channel];
                    named.insert(name, model.change(graph, parent, name, alteration));
                }
                let (thread, namespace) = GRAPHS[graph];
                let checkpoint = NewCheckpoint {
                    thread: thread.into(),
                    namespace: namespace.into(),
                    id,
                    parent,
                    writes,
                    ..new(number, None, named.into_iter().collect())
                };
                model.put(graph, &checkpoint);
                store.put(checkpoint).await?;
            }
            Step::Writes { graph, checkpoint, writes } => {
                let there = model.list(graph);
                if !there.is_empty() {
                    let checkpoint = there[checkpoint % there.len()].id;
                    let (thread, namespace) = GRAPHS[graph];
                    model.write(graph, checkpoint, &writes);
                    store
                        .put_writes(NewWrites {
                            thread: thread.into(),
                            namespace: namespace.into(),
                            checkpoint,
                            writes,
                        })
                        .await?;
                }
            }
            Step::Delete { graph } => {
                model.delete(GRAPHS[graph].0);
                store.delete_thread(GRAPHS[graph].0).await?;
            }
            Step::Reopen => {
                if let Some(opened) = reopen() {
                    store = Box::new(opened);
                }
            }
        }
    }
    same(&*store, &model).await?;
    if let Some(opened) = reopen() {
        drop(store);
        same(&opened, &model).await?;
    }
    Ok(())
}

/// Two stores that have the same file open, and are called in turns.
#[derive(Debug)]
struct Turns {
    stores: [Sqlite; 2],
    calls: AtomicUsize,
}

impl Turns {
    /// Now and then the same twice or three times.
    fn next(&self) -> &Sqlite {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        &self.stores[(call / 2 + call / 5) % 2]
    }
}

impl Checkpointer for Turns {
    fn get<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        id: Option<Uuid>,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>>> {
        self.next().get(thread, namespace, id)
    }

    fn list<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>>> {
        self.next().list(thread, namespace, before, limit)
    }

    fn put(&self, checkpoint: NewCheckpoint) -> BoxFuture<'static, Result<()>> {
        self.next().put(checkpoint)
    }

    fn put_writes(&self, writes: NewWrites) -> BoxFuture<'static, Result<()>> {
        self.next().put_writes(writes)
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<()>> {
        self.next().delete_thread(thread)
    }
}

async fn same(store: &dyn Checkpointer, model: &Model) -> Result<()> {
    for (graph, (thread, namespace)) in GRAPHS.into_iter().enumerate() {
        let expected = model.list(graph);
        assert_eq!(store.list(thread, namespace, None, None).await?, expected);
        assert_eq!(store.get(thread, namespace, None).await?.as_ref(), expected.first());
        for (at, checkpoint) in expected.iter().enumerate() {
            assert_eq!(store.get(thread, namespace, Some(checkpoint.id)).await?.as_ref(), Some(checkpoint));
            let older = store.list(thread, namespace, Some(checkpoint.id), Some(2)).await?;
            assert_eq!(older, expected[at + 1..].iter().take(2).cloned().collect::<Vec<_>>());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn memory_gives_what_the_model_gives(steps in prop::collection::vec(step(), 1..60)) {
        block_on(like_the_model(Box::new(Memory::new()), || None, steps)).unwrap();
    }

    #[test]
    fn sqlite_gives_what_the_model_gives(steps in prop::collection::vec(step(), 1..60)) {
        block_on(like_the_model(Box::new(Sqlite::in_memory().unwrap()), || None, steps)).unwrap();
    }
}

// Files take longer, since they are synced to the disk when they are opened and closed.
proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The file is opened again at any step, while the one before is still open.
    #[test]
    fn a_file_that_is_opened_again_gives_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let directory = Directory::new();
        let path = directory.join("store.db");
        let open = || Some(Sqlite::open(&path).unwrap());
        block_on(like_the_model(Box::new(Sqlite::open(&path).unwrap()), open, steps)).unwrap();
    }

    /// Two programs write the same file in turns.
    #[test]
    fn two_that_have_the_file_open_see_each_other(steps in prop::collection::vec(step(), 1..60)) {
        let directory = Directory::new();
        let path = directory.join("store.db");
        let stores = [Sqlite::open(&path).unwrap(), Sqlite::open(&path).unwrap()];
        block_on(like_the_model(Box::new(Turns { stores, calls: AtomicUsize::new(0) }), || None, steps)).unwrap();
    }
}
