using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace UserSvc.Tests.Chaos;

/// <summary>
/// Steady traffic through the edge: readers of a fixed set of users and writers of ever new ones, each at a fixed pace that waits for the
/// answer. An answer counts only with the right user in it. Nothing is tried again, except by SocketsHttpHandler on a pooled connection
/// that was closed before a byte of an answer came, as any HTTP client does. A writer that is told to come back later (Retry-After) does so;
/// readers go on, so that every failure is seen.
/// </summary>
/// <param name="edge">Asked before each request for the edge to send it to.</param>
/// <param name="minReads">How many reads it sends at least: a fifth of them before a fault, another fifth after it.</param>
internal sealed class Load(Func<Uri> edge, int minReads = 2_000) : IAsyncDisposable
{
    public const int Writers = 4;

    private const string Password = "a long password";
    private const int Readers = 16;
    private const int Users = 64;

    // At most 800 and 150 a second, with 16 readers and 4 writers: what two cores carry beside the load itself, so that what a bench measures is
    // the system's time and not a queue's for a core.
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

    /// <summary>The users that were acknowledged, by name.</summary>
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
                // The first requests of a process are slow ones. An instance that is restarted later has its own under load.
                await GetAsync(_users[i]);
            });
        _clock.Start();
        _workers = Task.WhenAll([
            .. Enumerable.Range(0, Readers).Select(r => Task.Run(() => ReadAsync(r))),
            .. Enumerable.Range(0, Writers).Select(w => Task.Run(() => WriteAsync(w))),
        ]);

        // Spread over the period, as requests of many clients are.
        Task ReadAsync(int reader) => PaceAsync(ReadPeriod, ReadPeriod * reader / Readers, async i =>
        {
            _gets.Enqueue((await GetAsync(_users[(reader + (i * Readers)) % Users])).Outcome);
            return null;
        });

        Task WriteAsync(int writer) => PaceAsync(WritePeriod, TimeSpan.Zero, i => this.WriteAsync($"{_prefix}writer{writer}.{i}"));
    }

    /// <summary>Goes on until so many more reads have been sent.</summary>
    public async Task ReadsAsync(int more)
    {
        var until = _gets.Count + more;
        await Eventually.HoldsAsync(() => Task.FromResult(_gets.Count >= until));
    }

    /// <summary>Goes on until the instance answers reads that begin from now on: an ejection may have to end first.</summary>
    public Task IsAnsweredByAsync(string instance) => LastReadsAsync(last => last.Any(g => g.Hostname == instance), count: 1);

    /// <summary>Goes on until a hundred reads in a row have been answered by these instances, by each of them and by no other.</summary>
    public Task IsAnsweredOnlyByAsync(params string[] instances) =>
        LastReadsAsync(last => last.Select(g => g.Hostname ?? "").ToHashSet().SetEquals(instances), count: 100);

    /// <summary>Goes on until a read has failed that began from now on.</summary>
    public Task IsFailingAsync() => LastReadsAsync(last => last.Any(g => g.Failed), count: 1);

    /// <summary>The fault, from its cause to the system's return to what it was: quiet traffic before and after it.</summary>
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

    /// <summary>Clients that send nothing but passwords, each as fast as it is answered: half of them create users, half verify those of readers.</summary>
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
            // A service that is away for a moment has lost nobody.
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

    // Of those that begin from now on.
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

    /// <returns>The pause that the service asks for.</returns>
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
        // 200 when the edge has tried again what had been done before.
        SendAsync(HttpMethod.Put, name, new { fullname = name, password = Password },
            (status, answer) => status is HttpStatusCode.Created or HttpStatusCode.OK && answer.Fullname == name);

    private Task<(Outcome Outcome, UserAnswer? User, TimeSpan? RetryAfter)> VerifyAsync(UserAnswer user) =>
        SendAsync(HttpMethod.Post, user.Fullname, new { password = Password }, (status, answer) => status == HttpStatusCode.OK && answer.IsSame(user), "/verify");

    // A user's name is its full name.
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
                return (Of(Judge(response)), null, response.Headers.RetryAfter?.Delta);
            }

            var user = await response.Content.ReadFromJsonAsync<UserAnswer>(Cancellation);
            return isRight(response.StatusCode, user!) ? (Of(Outcome.Right, user!.Hostname), user, null) : (Of("another user's answer"), null, null);
        }
        catch (HttpRequestException e)
        {
            return (Of($"{e.HttpRequestError}"), null, null);
        }
        catch (Exception e) when (e is JsonException || (e is OperationCanceledException && !Cancellation.IsCancellationRequested))
        {
            return (Of(e.GetType().Name), null, null);
        }

        Outcome Of(string result, string? hostname = null) => new(name, at, _clock.Elapsed - at, result, hostname);
    }

    /// <summary>A status by its number alone when it is as the contract has it.</summary>
    private static string Judge(HttpResponseMessage response) => (int)response.StatusCode
        + (response.Content.Headers.ContentType?.MediaType == "application/problem+json" ? "" : " without problem JSON")
        + (response.StatusCode != HttpStatusCode.ServiceUnavailable || response.Headers.RetryAfter is not null ? "" : " without Retry-After")
        + (response.Headers.Contains("x-envoy-overloaded") ? " overloaded" : "");
}

/// <summary>A user as the API answers it.</summary>
internal sealed record UserAnswer(string Uuid, string Fullname, string Hostname)
{
    public bool IsSame(UserAnswer other) => (Uuid, Fullname) == (other.Uuid, other.Fullname);
}

/// <summary>What became of one request, and when, from the load's start.</summary>
internal readonly record struct Outcome(string User, TimeSpan At, TimeSpan Took, string Result, string? Hostname)
{
    public const string Right = "right";

    public bool Failed => Result != Right;

    public TimeSpan End => At + Took;
}
