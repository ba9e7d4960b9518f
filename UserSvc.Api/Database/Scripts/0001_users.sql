CREATE TABLE users (
    uuid          uuid        PRIMARY KEY,
    -- By code point: the same order and the same equality on every server, whatever its locale.
    username      text        COLLATE "C" NOT NULL UNIQUE,
    fullname      text        NOT NULL,
    password_hash text        NOT NULL,
    version       bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
