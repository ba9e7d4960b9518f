using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;

namespace UserSvc.Tests.Chaos;

/// <summary>
/// Clients that call instances directly: writers create one user after another, repeating each until it is acknowledged, and readers read
/// acknowledged users. Keeps every answer by instance.
/// </summary>
internal sealed class FailoverTraffic : IAsyncDisposable
{
    private const string Password = "a long password";

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(25);

    private readonly ConcurrentQueue<Answered> _answers = [];
    private readonly ConcurrentDictionary<string, string> _acknowledged = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly CancellationTokenSource _ending = new();
    private readonly HttpClient[] _instances;
    private readonly Task _workers;

    /// <summary>Two writers and two readers for each instance.</summary>
    public FailoverTraffic(params HttpClient[] instances)
    {
        _instances = instances;
        _workers = Task.WhenAll(instances.SelectMany((_, i) => new[] { WriteAsync(i, "a"), WriteAsync(i, "b"), ReadAsync(i), ReadAsync(i) }));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public TimeSpan Now => _clock.Elapsed;

    /// <summary>The uuids of the acknowledged users, by name.</summary>
    public IReadOnlyDictionary<string, string> Acknowledged => _acknowledged;

    /// <summary>Answers that no client may see, with their number.</summary>
    public string[] Unexpected =>
        [.. _answers.Where(a => a.Result is not ("200" or "201" or "503")).CountBy(a => $"{(a.Write ? "PUT" : "GET")}: {a.Result}").Select(c => $"{c.Key} × {c.Value}").Order()];

    /// <summary>Waits until each instance has answered this many reads and writes correctly that started from now on.</summary>
    public Task WaitForAnswersAsync(int count = 40)
    {
        var from = Now;
        return Eventually.HoldsAsync(
            () => Task.FromResult(_instances.Index().All(i => Correct(i.Index, write: true, from).Count() >= count && Correct(i.Index, write: false, from).Count() >= count)));
    }

    /// <summary>Waits until each instance has refused a write that started from now on.</summary>
    public Task WaitForRefusalsAsync()
    {
        var from = Now;
        return Eventually.HoldsAsync(() => Task.FromResult(_instances.Index().All(i => _answers.Any(a => a.Instance == i.Index && a.Write && a.Result == "503" && a.At >= from))));
    }

    /// <summary>How long the slowest instance took, from then on, until its first write and its first read.</summary>
    public (TimeSpan Write, TimeSpan Read) Back(TimeSpan from) => (Longest(write: true, from), Longest(write: false, from));

    /// <summary>The median and the longest duration of writes that started then or later.</summary>
    public (TimeSpan Median, TimeSpan Longest) Writes(TimeSpan from)
    {
        TimeSpan[] took = [.. _answers.Where(a => a.Write && a.At >= from).Select(a => a.Took).Order()];
        return (took[took.Length / 2], took[^1]);
    }

    public async Task EndAsync()
    {
        await _ending.CancelAsync();
        await _workers;
    }

    /// <returns>The acknowledged users that an instance does not have, or has with another uuid.</returns>
    public async Task<string[]> NotReadAsync()
    {
        var missing = new ConcurrentBag<string>();
        foreach (var instance in _instances)
        {
            await Parallel.ForEachAsync(_acknowledged, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancellation }, async (user, _) =>
            {
                var read = "";
                // A temporary 503 does not mean that the user is lost.
                await Eventually.HoldsAsync(async () =>
                {
                    using var response = await instance.GetAsync($"/user/{user.Key}", Cancellation);
                    read = await UuidAsync(response) ?? $"{(int)response.StatusCode}";
                    return read != "503";
                });
                if (read != user.Value)
                {
                    missing.Add($"{user.Key}: {read}");
                }
            });
        }

        return [.. missing.Order()];
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _workers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private TimeSpan Longest(bool write, TimeSpan from) => _instances.Index().Max(i => Correct(i.Index, write, from, end: true).Min(a => a.At + a.Took)) - from;

    private IEnumerable<Answered> Correct(int instance, bool write, TimeSpan from, bool end = false) =>
        _answers.Where(a => a.Instance == instance && a.Write == write && a.Result is "200" or "201" && (end ? a.At + a.Took : a.At) >= from);

    private async Task WriteAsync(int instance, string writer)
    {
        using var tick = new PeriodicTimer(Period);
        for (var i = 0; !_ending.IsCancellationRequested;)
        {
            await tick.WaitForNextTickAsync(Cancellation);
            var name = $"{writer}{instance}.{i}";
            var uuid = await SendAsync(instance, write: true, () => _instances[instance].PutAsync($"/user/{name}", UserRequests.Json(new { fullname = name, password = Password }), Cancellation));
            if (uuid is not null)
            {
                _acknowledged[name] = uuid;
                i++;
            }
        }
    }

    private async Task ReadAsync(int instance)
    {
        using var tick = new PeriodicTimer(Period);
        while (!_ending.IsCancellationRequested)
        {
            await tick.WaitForNextTickAsync(Cancellation);
            if (_acknowledged.ToArray() is { Length: > 0 } known)
            {
                var (name, uuid) = known[Random.Shared.Next(known.Length)];
                await SendAsync(instance, write: false, () => _instances[instance].GetAsync($"/user/{name}", Cancellation), uuid);
            }
        }
    }

    private async Task<string?> SendAsync(int instance, bool write, Func<Task<HttpResponseMessage>> send, string? expected = null)
    {
        var at = Now;
        using var response = await send();
        var uuid = await UuidAsync(response);
        var result = $"{(int)response.StatusCode}"
            + ((int)response.StatusCode == 503 && response.Headers.RetryAfter is null ? " without Retry-After" : "")
            + (expected is not null && uuid is not null && uuid != expected ? " another uuid" : "");
        _answers.Enqueue(new(instance, write, at, Now - at, result));
        return uuid;
    }

    private static async Task<string?> UuidAsync(HttpResponseMessage response) =>
        response.IsSuccessStatusCode ? (await response.Content.ReadFromJsonAsync<UserAnswer>(Cancellation))!.Uuid : null;

    private readonly record struct Answered(int Instance, bool Write, TimeSpan At, TimeSpan Took, string Result);
}
