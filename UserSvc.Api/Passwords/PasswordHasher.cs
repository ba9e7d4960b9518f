using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using Geralt;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

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

    /// <summary>Hashes at a time, each on its own thread. Default half the processors; 1 to 64.</summary>
    [Range(1, 64)]
    public int Concurrency { get; set; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 64);

    /// <summary>Hashes that may wait; more are refused with 503. Default 64; 1 to 10,000.</summary>
    [Range(1, 10_000)]
    public int QueueLimit { get; set; } = 64;
}

/// <summary>
/// Argon2id through libsodium. Hashing is slow by design, so it has a few threads to itself behind a bounded queue and never takes
/// pool threads from the reads. Hashes are self-describing: <c>$argon2id$v=19$m=19456,t=2,p=1$salt$hash</c>.
/// </summary>
/// <remarks>Passwords are normalized to Unicode's NFC first, so that a password is the same however a keyboard composes it.</remarks>
internal sealed class PasswordHasher : IDisposable
{
    private readonly PasswordHasherOptions _options;
    private readonly BlockingCollection<Action> _queue;
    private readonly string _dummyHash;

    public PasswordHasher(IOptions<PasswordHasherOptions> options, IMeterFactory meters)
    {
        _options = options.Value;
        _queue = new(_options.QueueLimit);
        _dummyHash = Hash(RandomNumberGenerator.GetBytes(16));
        meters.Create("UserSvc.Api").CreateObservableGauge("usersvc.password.queue.length", () => _queue.Count, "{hash}", "Hashes waiting for a thread");
        for (var i = 0; i < _options.Concurrency; i++)
        {
            new Thread(Work) { IsBackground = true, Name = $"password hash {i}" }.Start();
        }
    }

    /// <exception cref="UnavailableException">The queue is full.</exception>
    public Task<string> HashAsync(string password, CancellationToken cancellationToken) => RunAsync(() => Hash(Bytes(password)), cancellationToken);

    /// <param name="hash">Null when there is no such user: the work is the same, and the answer is false.</param>
    /// <param name="password">The password to check.</param>
    /// <param name="cancellationToken">Withdraws the work if it has not begun.</param>
    /// <exception cref="UnavailableException">The queue is full.</exception>
    public async Task<bool> VerifyAsync(string? hash, string password, CancellationToken cancellationToken)
    {
        var matches = await RunAsync(() => Argon2id.VerifyHash(hash ?? _dummyHash, Bytes(password)), cancellationToken);
        return matches && hash is not null;
    }

    /// <summary>Whether the hash was made with parameters other than the configured ones.</summary>
    public bool NeedsRehash(string hash) => Argon2id.NeedsRehash(hash, _options.Passes, _options.MemoryKiB * 1024);

    public void Dispose() => _queue.CompleteAdding();

    private static byte[] Bytes(string password) => Encoding.UTF8.GetBytes(password.Normalize(NormalizationForm.FormC));

    private string Hash(byte[] password)
    {
        Span<char> hash = stackalloc char[Argon2id.HashSize];
        Argon2id.ComputeHash(hash, password, _options.Passes, _options.MemoryKiB * 1024);
        return new(hash.TrimEnd('\0'));
    }

    private Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_queue.TryAdd(Run))
        {
            throw new UnavailableException("Too many passwords are waiting to be hashed.", overloaded: true);
        }

        return done.Task;

        void Run()
        {
            if (cancellationToken.IsCancellationRequested)
            {
                done.SetCanceled(cancellationToken);
                return;
            }

            try
            {
                done.SetResult(work());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }
    }

    private void Work()
    {
        foreach (var run in _queue.GetConsumingEnumerable())
        {
            run();
        }
    }
}
