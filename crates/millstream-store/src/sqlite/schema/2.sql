-- Documents of the full-text index. What is known of one stands before its text, which is read only if it is wanted.
CREATE TABLE document (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    metadata TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;

-- The words of documents, by their numbers, as `full_text/words.rs` finds them; their texts are not kept again.
CREATE VIRTUAL TABLE document_words USING fts5 (
    words,
    content = '',
    contentless_delete = 1,
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co So' tokenchars '+#'"
);
