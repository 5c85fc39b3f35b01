-- A graph in a thread. Its number is below 2^31, as that of a list.
CREATE TABLE graph (
    id INTEGER PRIMARY KEY,
    thread TEXT NOT NULL,
    namespace TEXT NOT NULL,
    UNIQUE (thread, namespace)
) STRICT;

-- Names of channels, so that a checkpoint names them by their numbers.
CREATE TABLE channel (
    graph INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (graph, number)
) STRICT, WITHOUT ROWID;

-- `channels` says where the value of each channel is (`channels.rs`).
CREATE TABLE checkpoint (
    graph INTEGER NOT NULL,
    id BLOB NOT NULL,
    number INTEGER NOT NULL,
    parent BLOB,
    source INTEGER NOT NULL,
    step INTEGER NOT NULL,
    parents TEXT,
    run TEXT,
    created_at INTEGER NOT NULL,
    channels BLOB NOT NULL,
    next TEXT NOT NULL,
    PRIMARY KEY (graph, id)
) STRICT, WITHOUT ROWID;

-- The next number of a checkpoint that nobody has reserved.
CREATE TABLE sequence (next INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (1);

-- What tasks did after a checkpoint. The id is the number of the checkpoint, shifted left by 24 bits, plus the position of the write.
CREATE TABLE task_write (
    id INTEGER PRIMARY KEY,
    task BLOB NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT NOT NULL
) STRICT;

-- Values of channels that are not lists. The id is that of the graph, shifted left by 32 bits, plus a number.
CREATE TABLE value (
    id INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

-- Lists, which only grow. One may begin with the first elements of another.
CREATE TABLE list (
    id INTEGER PRIMARY KEY,
    graph INTEGER NOT NULL,
    prefix INTEGER,
    prefix_length INTEGER NOT NULL,
    depth INTEGER NOT NULL
) STRICT;
CREATE INDEX list_of_graph ON list (graph);

-- Elements of lists. The id is that of the list, shifted left by 32 bits, plus the position of the element.
CREATE TABLE element (
    id INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;
