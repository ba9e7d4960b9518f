using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Geralt;
using Microsoft.Extensions.Options;

namespace UserSvc.Api.Passwords;

/// <summary>Section <c>Passwords</c>. The defaults are OWASP's for Argon2id (Password Storage Cheat Sheet).</summary>
internal sealed class PasswordHasherOptions
{
    /// <summary>Argon2id's memory in KiB, for each hash in progress. Default 19,456 (19 MiB); 8,192 to 1,048,576.</summary>
    [Range(8 * 1024, 1024 * 1024)]
    public int MemoryKiB { get; set; } = 19 * 1024;

    /// <summary>Argon2id's passes. Default 2; 1 to 20.</summary>
    [Range(1, 20)]
    public int Passes { get; set; } = 2;

    /// <summary>Requests that hash at a time, each on its own thread. Default half the processors; 1 to 64.</summary>
    [Range(1, 64)]
    public int Concurrency { get; set; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 64);

    /// <summary>
    /// The longest expected wait for a hash, from what waits and how long hashes take, and the longest wait for other checks of the same user's
    /// password or from the same address; beyond it requests get 503. Default 2 s, which leaves an edge's timeout of 10 s some room; 100 ms to 1 min.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(2);
}

/// <summary>
/// Argon2id through libsodium; slow by design, so call it in <see cref="HashLane"/>. Hashes are self-describing:
/// <c>$argon2id$v=19$m=19456,t=2,p=1$salt$hash</c>.
/// </summary>
/// <remarks>Passwords are normalized to Unicode's NFC first, so that a password is the same however a keyboard composes it.</remarks>
internal sealed class PasswordHasher
{
    private readonly PasswordHasherOptions _options;
    private readonly string _dummyHash;

    public PasswordHasher(IOptions<PasswordHasherOptions> options)
    {
        _options = options.Value;
        _dummyHash = Hash(RandomNumberGenerator.GetBytes(16));
    }

    public string Hash(string password) => Hash(Bytes(password));

    /// <param name="hash">Null when there is no such user: the work is the same, and the answer is false.</param>
    /// <param name="password">The password to check.</param>
    public bool Verify(string? hash, string password) => Argon2id.VerifyHash(hash ?? _dummyHash, Bytes(password)) && hash is not null;

    /// <summary>Whether the hash was made with parameters other than the configured ones.</summary>
    public bool NeedsRehash(string hash) => Argon2id.NeedsRehash(hash, _options.Passes, _options.MemoryKiB * 1024);

    private static byte[] Bytes(string password) => Encoding.UTF8.GetBytes(password.Normalize(NormalizationForm.FormC));

    private string Hash(byte[] password)
    {
        Span<char> hash = stackalloc char[Argon2id.HashSize];
        Argon2id.ComputeHash(hash, password, _options.Passes, _options.MemoryKiB * 1024);
        return new(hash.TrimEnd('\0'));
    }
}
