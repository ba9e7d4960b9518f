"""The peer of bench/system.sh: creates and reads users like UserSvc.Api, with FastAPI, asyncpg's pool and libsodium's Argon2id."""

import asyncio
import os
import re
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from urllib.parse import quote
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import UJSONResponse
from nacl import exceptions, pwhash
from pydantic import BaseModel, Field, validator
from starlette.exceptions import HTTPException

HOSTNAME = os.environ["INSTANCE_NAME"]
ADDRESS = os.environ["INSTANCE_ADDRESS"]
HASHES_AT_A_TIME = int(os.environ["HASHES_AT_A_TIME"])
HASHES_WAITING = 64
POOL = 8
NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")

SELECT = "SELECT uuid, fullname, version FROM users WHERE username = $1"
SELECT_WITH_HASH = "SELECT uuid, fullname, version, password_hash FROM users WHERE username = $1"
INSERT = """
    INSERT INTO users (uuid, username, fullname, password_hash) VALUES ($1, $2, $3, $4)
    ON CONFLICT (username) DO NOTHING
    RETURNING uuid, fullname, version
"""
# Raised by asyncpg and its sockets when the database is away or too slow; TimeoutError is an OSError.
AWAY = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError)

app = FastAPI(openapi_url=None)
# libsodium releases the interpreter's lock while it hashes.
hashing = ThreadPoolExecutor(HASHES_AT_A_TIME)
hashes = 0


class Connection(asyncpg.Connection):
    async def reset(self, *, timeout=None):
        """Nothing changes a session here, and a reset would be a second round trip for each request."""


class User(BaseModel):
    fullname: str = Field(min_length=1, max_length=2048)
    password: str

    @validator("fullname")
    def is_text(cls, fullname):
        if "\0" in fullname or any("\ud800" <= c <= "\udfff" for c in fullname):
            raise ValueError("must not hold U+0000 or lone surrogates")
        return fullname

    @validator("password")
    def is_password(cls, password):
        password = unicodedata.normalize("NFC", password)
        if not 8 <= len(password) <= 256 or any(unicodedata.category(c) in ("Cc", "Cs") for c in password):
            raise ValueError("must be 8 to 256 characters long, without control characters")
        return password


@app.on_event("startup")
async def connect():
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE"], min_size=POOL, max_size=POOL, connection_class=Connection, timeout=2, command_timeout=3,
        server_settings={"application_name": HOSTNAME})


@app.on_event("shutdown")
async def disconnect():
    await app.state.pool.close()


@app.get("/health")
async def health():
    await app.state.pool.fetchval("SELECT 1")
    return Response("Healthy\n", media_type="text/plain")


@app.get("/user/{name}")
async def read(name: str, request: Request):
    user = await app.state.pool.fetchrow(SELECT, key(name))
    if user is None:
        return problem(404, "There is no such user.")
    etag = etag_of(user)
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return answer(user, headers={"ETag": etag})


@app.put("/user/{name}")
async def create(name: str, body: User):
    name = key(name)
    password = body.password.encode()
    user = await app.state.pool.fetchrow(SELECT_WITH_HASH, name)
    if user is None:
        password_hash = await in_lane(pwhash.argon2id.str, password, 2, 19 * 1024 * 1024)
        created = await app.state.pool.fetchrow(INSERT, uuid7(), name, body.fullname, password_hash.rstrip(b"\0").decode())
        if created is not None:
            return answer(created, 201, {"ETag": etag_of(created), "Location": "/user/" + quote(name)})
        # Another request created the user first.
        user = await app.state.pool.fetchrow(SELECT_WITH_HASH, name)
    if user["fullname"] == body.fullname and await in_lane(is_same, user["password_hash"].encode(), password):
        return answer(user, headers={"ETag": etag_of(user)})
    return problem(409, "A user of this name exists with other content.")


def key(name):
    name = unicodedata.normalize("NFC", name)
    if not NAME.fullmatch(name) or name.lower() == "health":
        raise HTTPException(400, "That is no user's name.")
    return name


async def in_lane(work, *arguments):
    global hashes
    if hashes >= HASHES_AT_A_TIME + HASHES_WAITING:
        raise HTTPException(503, "Too many passwords are waiting to be hashed.")
    hashes += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(hashing, work, *arguments)
    finally:
        hashes -= 1


def is_same(password_hash, password):
    try:
        return pwhash.verify(password_hash, password)
    except exceptions.InvalidkeyError:
        return False


def uuid7():
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(int=(time.time_ns() // 1_000_000 << 80) | (random & ~(0xF << 76 | 0x3 << 62)) | 0x7 << 76 | 0x2 << 62)


def etag_of(user):
    return f'W/"{user["uuid"].hex.upper()}-{user["version"]}"'


def answer(user, status=200, headers=None):
    return UJSONResponse(
        {"ok": True, "uuid": user["uuid"].hex.upper(), "fullname": user["fullname"], "hostname": HOSTNAME, "resolvedname": ADDRESS}, status, headers)


def problem(status, detail, headers=None):
    return UJSONResponse(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
         "ok": False, "error": detail, "hostname": HOSTNAME, "resolvedname": ADDRESS},
        status, headers, media_type="application/problem+json")


@app.exception_handler(HTTPException)
async def refused(request, exception):
    headers = {"Retry-After": "1"} if exception.status_code == 503 else exception.headers
    return problem(exception.status_code, exception.detail, headers)


@app.exception_handler(RequestValidationError)
async def invalid(request, exception):
    return problem(400, "; ".join(f"{error['loc'][-1]}: {error['msg']}" for error in exception.errors()))


async def unavailable(request, exception):
    return problem(503, "The database is away.", {"Retry-After": "1"})


for away in AWAY:
    app.add_exception_handler(away, unavailable)
