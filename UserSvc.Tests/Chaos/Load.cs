using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace UserSvc.Tests.Chaos;

/// <summary>
/// Steady traffic through the edge: readers of a fixed set of users and writers of new ones, each at a fixed pace, one request at a time. An
/// answer only counts with the right user in it. Nothing is retried, except by SocketsHttpHandler on a pooled connection that closes
/// before the first byte of an answer, as in any HTTP client. Writers obey Retry-After; readers do not, so that they see every failure.
/// </summary>
/// <param name="edge">Called before each request for the address to send it to.</param>
/// <param name="minReads">The minimum number of reads; a fifth of them comes before a fault, another fifth after it.</param>
internal sealed class Load(Func<Uri> edge, int minReads = 2_000) : IAsyncDisposable
{
    public const int Writers = 4;

    private const string Password = "a long password";
    private const int Readers = 16;
    private const int Users = 64;

    // At most 800 reads and 150 writes a second, which two cores can serve next to the load itself: a benchmark then measures the system and not
    // a queue for the cores.
    private static readonly TimeSpan ReadPeriod = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WritePeriod = TimeSpan.FromMilliseconds(26);

    private static int _count;

    private readonly string _prefix = $"load{Interlocked.Increment(ref _count)}.";
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseCookies = false });
    private readonly ConcurrentQueue<Outcome> _gets = [];
    private readonly ConcurrentQueue<Outcome> _puts = [];
    private readonly ConcurrentQueue<Outcome> _verifications = [];
    private readonly ConcurrentDictionary<string, UserAnswer> _acknowledged = [];
    private readonly Stopwatch _clock = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly UserAnswer[] _users = new UserAnswer[Users];
    private (TimeSpan From, TimeSpan To) _fault;
    private Task _workers = Task.CompletedTask;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The acknowledged users, by name.</summary>
    public IReadOnlyDictionary<string, UserAnswer> Acknowledged => _acknowledged;

    /// <summary>The outcome of every request so far.</summary>
    public LoadReport Report => new([.. _gets], [.. _puts], [.. _verifications], _fault.From, _fault.To);

    /// <summary>Creates the users to read, then starts the workers.</summary>
    public async Task StartAsync()
    {
        await Parallel.ForAsync(0, Users, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancellation },
            async (i, _) =>
            {
                _users[i] = await CreateAsync($"{_prefix}reader.{i}");
                // A process is slow to answer its first requests. Instances that restart later do so under load.
                await GetAsync(_users[i]);
            });
        _clock.Start();
        _workers = Task.WhenAll([
            .. Enumerable.Range(0, Readers).Select(r => Task.Run(() => ReadAsync(r))),
            .. Enumerable.Range(0, Writers).Select(w => Task.Run(() => WriteAsync(w))),
        ]);

        // Spread over the period, like requests of many clients.
        Task ReadAsync(int reader) => PaceAsync(ReadPeriod, ReadPeriod * reader / Readers, async i =>
        {
            _gets.Enqueue((await GetAsync(_users[(reader + (i * Readers)) % Users])).Outcome);
            return null;
        });

        Task WriteAsync(int writer) => PaceAsync(WritePeriod, TimeSpan.Zero, i => this.WriteAsync($"{_prefix}writer{writer}.{i}"));
    }

    /// <summary>Waits until this many more reads have been answered.</summary>
    public async Task ReadsAsync(int more)
    {
        var until = _gets.Count + more;
        await Eventually.HoldsAsync(() => Task.FromResult(_gets.Count >= until));
    }

    /// <summary>Waits until the instance answers a read that starts from now on; an ejection may have to end first.</summary>
    public Task IsAnsweredByAsync(string instance) => LastReadsAsync(last => last.Any(g => g.Hostname == instance), count: 1);

    /// <summary>Waits until a hundred reads in a row have been answered by these instances: each of them, and no others.</summary>
    public Task IsAnsweredOnlyByAsync(params string[] instances) =>
        LastReadsAsync(last => last.Select(g => g.Hostname ?? "").ToHashSet().SetEquals(instances), count: 100);

    /// <summary>Waits until a read fails that starts from now on.</summary>
    public Task IsFailingAsync() => LastReadsAsync(last => last.Any(g => g.Failed), count: 1);

    /// <summary>Runs a fault until the system has recovered, with undisturbed traffic before and after it.</summary>
    public async Task<LoadReport> DuringAsync(Func<Task> fault)
    {
        await ReadsAsync(minReads / 5);
        _fault.From = _clock.Elapsed;
        await fault();
        _fault.To = _clock.Elapsed;
        await ReadsAsync(Math.Max(minReads / 5, minReads - _gets.Count));
        await _ending.CancelAsync();
        await _workers;
        return Report;
    }

    /// <summary>Clients that only send passwords, each as fast as it is answered: half of them create users, half verify the readers' users.</summary>
    public Task FloodAsync(int clients, int requestsOfEach) => Task.WhenAll(Enumerable.Range(0, clients).Select(c => Task.Run(async () =>
    {
        for (var i = 0; i < requestsOfEach; i++)
        {
            if (c % 2 == 0)
            {
                await WriteAsync($"{_prefix}flood{c}.{i}");
            }
            else
            {
                _verifications.Enqueue((await VerifyAsync(_users[c % Users])).Outcome);
            }
        }
    })));

    /// <returns>The names of the acknowledged users that cannot be read.</returns>
    public async Task<string[]> NotReadAsync()
    {
        var missing = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(_acknowledged.Values, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Cancellation }, async (user, _) =>
        {
            Outcome read = default;
            // A temporary 503 does not mean that the user is lost.
            await Eventually.HoldsAsync(async () => !(read = (await GetAsync(user)).Outcome).Result.StartsWith("503", StringComparison.Ordinal));
            if (read.Failed)
            {
                missing.Add($"{user.Fullname}: {read.Result}");
            }
        });
        return [.. missing.Order()];
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _workers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _ending.Dispose();
    }

    // Only looks at reads that start from now on.
    private async Task LastReadsAsync(Func<IReadOnlyList<Outcome>, bool> hold, int count)
    {
        var now = _clock.Elapsed;
        await Eventually.HoldsAsync(() =>
        {
            Outcome[] last = [.. _gets.Reverse().TakeWhile(g => g.At > now).Take(100)];
            return Task.FromResult(last.Length >= count && hold(last));
        });
    }

    private async Task PaceAsync(TimeSpan period, TimeSpan offset, Func<int, Task<TimeSpan?>> send)
    {
        await Task.Delay(offset, Cancellation);
        using var tick = new PeriodicTimer(period);
        for (var i = 0; !_ending.IsCancellationRequested; i++)
        {
            if (await send(i) is { } pause)
            {
                await Task.Delay(pause, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <returns>The service's Retry-After.</returns>
    private async Task<TimeSpan?> WriteAsync(string name)
    {
        var (outcome, user, retryAfter) = await PutAsync(name);
        _puts.Enqueue(outcome);
        if (user is not null)
        {
            _acknowledged[name] = user;
        }

        return retryAfter;
    }

    private async Task<UserAnswer> CreateAsync(string name)
    {
        var (outcome, user, _) = await PutAsync(name);
        return user ?? throw new InvalidOperationException($"{name} could not be created: {outcome.Result}");
    }

    private Task<(Outcome Outcome, UserAnswer? User, TimeSpan? RetryAfter)> GetAsync(UserAnswer user) =>
        SendAsync(HttpMethod.Get, user.Fullname, null, (status, answer) => status == HttpStatusCode.OK && answer.IsSame(user));

    private Task<(Outcome Outcome, UserAnswer? User, TimeSpan? RetryAfter)> PutAsync(string name) =>
        // 200 if the edge retried a PUT that had been executed.
        SendAsync(HttpMethod.Put, name, new { fullname = name, password = Password },
            (status, answer) => status is HttpStatusCode.Created or HttpStatusCode.OK && answer.Fullname == name);

    private Task<(Outcome Outcome, UserAnswer? User, TimeSpan? RetryAfter)> VerifyAsync(UserAnswer user) =>
        SendAsync(HttpMethod.Post, user.Fullname, new { password = Password }, (status, answer) => status == HttpStatusCode.OK && answer.IsSame(user), "/verify");

    // Each user's full name is its name.
    private async Task<(Outcome, UserAnswer?, TimeSpan?)> SendAsync(HttpMethod method, string name, object? body, Func<HttpStatusCode, UserAnswer, bool> isRight, string action = "")
    {
        var at = _clock.Elapsed;
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(edge(), $"/user/{name}{action}"));
            request.Content = body is null ? null : JsonContent.Create(body);
            using var response = await _client.SendAsync(request, Cancellation);
            if (!response.IsSuccessStatusCode)
            {
                return (Ended(Describe(response)), null, response.Headers.RetryAfter?.Delta);
            }

            var user = await response.Content.ReadFromJsonAsync<UserAnswer>(Cancellation);
            return isRight(response.StatusCode, user!) ? (Ended(Outcome.Right, user!.Hostname), user, null) : (Ended("another user's answer"), null, null);
        }
        catch (HttpRequestException e)
        {
            return (Ended($"{e.HttpRequestError}"), null, null);
        }
        catch (Exception e) when (e is JsonException || (e is OperationCanceledException && !Cancellation.IsCancellationRequested))
        {
            return (Ended(e.GetType().Name), null, null);
        }

        Outcome Ended(string result, string? hostname = null) => new(name, at, _clock.Elapsed - at, result, hostname);
    }

    /// <summary>The status, and how the answer breaks the contract.</summary>
    private static string Describe(HttpResponseMessage response) => (int)response.StatusCode
        + (response.Content.Headers.ContentType?.MediaType == "application/problem+json" ? "" : " without problem JSON")
        + (response.StatusCode != HttpStatusCode.ServiceUnavailable || response.Headers.RetryAfter is not null ? "" : " without Retry-After")
        + (response.Headers.Contains("x-envoy-overloaded") ? " overloaded" : "");
}

/// <summary>A user as the API answers it.</summary>
internal sealed record UserAnswer(string Uuid, string Fullname, string Hostname)
{
    public bool IsSame(UserAnswer other) => (Uuid, Fullname) == (other.Uuid, other.Fullname);
}

/// <summary>How one request ended; times are from the load's start.</summary>
internal readonly record struct Outcome(string User, TimeSpan At, TimeSpan Took, string Result, string? Hostname)
{
    public const string Right = "right";

    public bool Failed => Result != Right;

    public TimeSpan End => At + Took;
}
