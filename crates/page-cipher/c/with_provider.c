/*
 * SQLCipher as Vitae builds it: the amalgamation, unchanged, under the flags below.
 * Its cryptography is the provider of ../src/provider.rs.
 */

#define SQLITE_HAS_CODEC 1
#define SQLITE_EXTRA_INIT sqlcipher_extra_init
#define SQLITE_EXTRA_SHUTDOWN sqlcipher_extra_shutdown
#define SQLCIPHER_CRYPTO_CUSTOM vitae_sqlcipher_provider
/* Errors reach the caller as result codes; nothing is printed. PRAGMA cipher_log turns it on. */
#define SQLCIPHER_OMIT_DEFAULT_LOGGING 1
/* Temporary tables and sorts stay in memory: a temporary file would not be encrypted. */
#define SQLITE_TEMP_STORE 3

#define SQLITE_CORE 1
#define SQLITE_THREADSAFE 1
#define SQLITE_DEFAULT_FOREIGN_KEYS 1
#define SQLITE_DEFAULT_MEMSTATUS 0
#define SQLITE_DQS 0
#define SQLITE_ENABLE_API_ARMOR 1
#define SQLITE_ENABLE_COLUMN_METADATA 1
#define SQLITE_ENABLE_DBSTAT_VTAB 1
#define SQLITE_ENABLE_FTS5 1
#define SQLITE_ENABLE_STAT4 1
#define SQLITE_OMIT_LOAD_EXTENSION 1
#define SQLITE_USE_URI 1
#define HAVE_STDINT_H 1
#define HAVE_ISNAN 1
#ifndef _WIN32
#define HAVE_USLEEP 1
/* Size and content reach the disk; times of the file need not. */
#define HAVE_FDATASYNC 1
#define HAVE_PREAD 1
#define HAVE_PWRITE 1
#define HAVE_LOCALTIME_R 1
#endif

#include "sqlcipher.c"

/* The order of the entries of `Provider` in ../src/provider.rs. */
#define ENTRY(name, idx) \
  _Static_assert(offsetof(sqlcipher_provider, name) == (idx) * sizeof(void *), #name)
ENTRY(init, 0);
ENTRY(shutdown, 1);
ENTRY(get_provider_name, 2);
ENTRY(add_random, 3);
ENTRY(random, 4);
ENTRY(hmac, 5);
ENTRY(kdf, 6);
ENTRY(cipher, 7);
ENTRY(get_cipher, 8);
ENTRY(get_key_sz, 9);
ENTRY(get_iv_sz, 10);
ENTRY(get_block_sz, 11);
ENTRY(get_hmac_sz, 12);
ENTRY(ctx_init, 13);
ENTRY(ctx_free, 14);
ENTRY(fips_status, 15);
ENTRY(get_provider_version, 16);
ENTRY(next, 17);
_Static_assert(sizeof(sqlcipher_provider) == 18 * sizeof(void *), "size");
_Static_assert(SQLITE_OK == 0 && SQLITE_ERROR == 1, "result codes");
_Static_assert(SQLCIPHER_DECRYPT == 0 && SQLCIPHER_ENCRYPT == 1, "modes");
_Static_assert(SQLCIPHER_HMAC_SHA1 == 0 && SQLCIPHER_PBKDF2_HMAC_SHA1 == 0, "SHA-1");
_Static_assert(SQLCIPHER_HMAC_SHA256 == 1 && SQLCIPHER_PBKDF2_HMAC_SHA256 == 1, "SHA-256");
_Static_assert(SQLCIPHER_HMAC_SHA512 == 2 && SQLCIPHER_PBKDF2_HMAC_SHA512 == 2, "SHA-512");
