"""Prints the CPU milliseconds of one hash with Debian's libsodium, and with the library whose path is given."""

import ctypes
import sys
import time

from nacl import pwhash

PASSWORD, PASSES, MEMORY = b"a password of bench", 2, 19 * 1024 * 1024


def cost(work, times=40):
    work()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) * 1000 / times


sodium = ctypes.CDLL(sys.argv[1])
sodium.crypto_pwhash_str.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_ulonglong, ctypes.c_size_t]
sodium.sodium_init()
answer = ctypes.create_string_buffer(128)

print("%.1f %.1f" % (
    cost(lambda: pwhash.argon2id.str(PASSWORD, PASSES, MEMORY)),
    cost(lambda: sodium.crypto_pwhash_str(answer, PASSWORD, len(PASSWORD), PASSES, MEMORY))))
