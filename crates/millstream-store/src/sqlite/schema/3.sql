-- A conversation of a chain. Its number is below 2^31.
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What was said in conversations. The id is that of the session, shifted left by 32 bits, plus the position of the message.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

-- Answers of models. A request is long, and found by its hash. `used` orders them by when they were needed last.
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    request TEXT NOT NULL,
    chunks TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_of_hash ON answer (hash);
CREATE INDEX answer_by_use ON answer (used);

-- How large all answers are together, and how often any was needed.
CREATE TABLE answers (bytes INTEGER NOT NULL, uses INTEGER NOT NULL) STRICT;
INSERT INTO answers VALUES (0, 0);
