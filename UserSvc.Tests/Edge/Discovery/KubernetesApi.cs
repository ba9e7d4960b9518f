using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>The part of the Kubernetes API that serves one namespace's EndpointSlices: list and watch, and how they fail.</summary>
internal sealed class KubernetesApi : IAsyncDisposable
{
    public const string Path = "/apis/discovery.k8s.io/v1/namespaces/users/endpointslices";

    private readonly Lock _lock = new();
    private readonly WebApplication _app;
    private readonly SortedDictionary<string, JsonObject> _slices = new(StringComparer.Ordinal);
    private readonly List<(long Version, string Line)> _events = [];
    private readonly List<ChannelWriter<string>> _watches = [];
    // A real API server's versions do not start at zero, either.
    private long _version = 1000;
    private long _compacted;

    /// <param name="port">0 for any free port.</param>
    /// <param name="certificate">Null for cleartext.</param>
    public KubernetesApi(int port = 0, X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
            if (certificate is not null)
            {
                listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = certificate });
            }
        }));
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.Zero);
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    public string Address => _app.Urls.Single();

    /// <summary>The only accepted bearer token; null accepts any request.</summary>
    public string? Token { get; set; }

    /// <summary>The status of every answer while it is set.</summary>
    public int? Refusal { get; set; }

    /// <summary>Delays the second half of a list or of a refusal.</summary>
    public Func<Task> BetweenHalves { get; set; } = () => Task.CompletedTask;

    /// <summary>Reports an expired version by an ERROR event in the stream (status 200), as the API may, instead of status 410.</summary>
    public bool GoneInStream { get; set; }

    /// <summary>The requests: lists as <c>list</c>, watches as <c>watch from 1001</c>, refused ones as <c>401</c>.</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    /// <summary>The query of the last list or watch, without its version.</summary>
    public string? Query { get; private set; }

    public int Watches
    {
        get
        {
            lock (_lock)
            {
                return _watches.Count;
            }
        }
    }

    public Task StartAsync() => _app.StartAsync();

    public Task StopAsync() => _app.StopAsync();

    /// <summary>Adds or changes a slice: <c>{"addressType": …, "endpoints": …, "ports": …}</c>.</summary>
    public void Set(string name, JsonObject slice)
    {
        lock (_lock)
        {
            var type = _slices.ContainsKey(name) ? "MODIFIED" : "ADDED";
            slice["apiVersion"] = "discovery.k8s.io/v1";
            slice["kind"] = "EndpointSlice";
            slice["metadata"] = new JsonObject
            {
                ["name"] = name,
                ["namespace"] = "users",
                ["labels"] = new JsonObject { ["kubernetes.io/service-name"] = "usersvc" },
                ["resourceVersion"] = Text(++_version),
            };
            _slices[name] = slice;
            Send(Event(type, slice), _version);
        }
    }

    public void Remove(string name)
    {
        lock (_lock)
        {
            _slices.Remove(name, out var slice);
            slice!["metadata"]!["resourceVersion"] = Text(++_version);
            Send(Event("DELETED", slice), _version);
        }
    }

    /// <summary>Advances the version as if other objects had changed, and sends the watchers a bookmark.</summary>
    public void Bookmark()
    {
        lock (_lock)
        {
            _version += 100;
            Send(Event("BOOKMARK", new JsonObject
            {
                ["apiVersion"] = "discovery.k8s.io/v1",
                ["kind"] = "EndpointSlice",
                ["metadata"] = new JsonObject { ["resourceVersion"] = Text(_version) },
            }));
        }
    }

    /// <summary>Forgets the past: a watch from an older version is gone (410).</summary>
    public void Compact()
    {
        lock (_lock)
        {
            _version++;
            _compacted = _version;
        }
    }

    /// <summary>Sends a line to all watchers as it is. A trailing <c>\0</c> cuts the connection after it.</summary>
    public void Send(string line)
    {
        lock (_lock)
        {
            _watches.ForEach(w => w.TryWrite(line));
        }
    }

    /// <summary>Ends all watches, as the API server does when they time out.</summary>
    public void EndWatches()
    {
        lock (_lock)
        {
            _watches.ForEach(w => w.TryComplete());
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void Send(string line, long version)
    {
        _events.Add((version, line));
        Send(line);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var refusal = Refusal ?? (Token is not null && context.Request.Headers.Authorization != $"Bearer {Token}" ? 401 : context.Request.Path != Path ? 404 : null as int?);
        if (refusal is { } status)
        {
            Asked.Enqueue(Text(status));
            await RefuseAsync(context, status);
            return;
        }

        Query = $"labelSelector={query["labelSelector"]}&allowWatchBookmarks={query["allowWatchBookmarks"]}&timeoutSeconds={query["timeoutSeconds"]}";
        if (query["watch"] == "true")
        {
            Asked.Enqueue($"watch from {query["resourceVersion"]}");
            await WatchAsync(context, long.Parse(query["resourceVersion"]!, CultureInfo.InvariantCulture));
            return;
        }

        Asked.Enqueue("list");
        string list;
        lock (_lock)
        {
            list = new JsonObject
            {
                ["apiVersion"] = "discovery.k8s.io/v1",
                ["kind"] = "EndpointSliceList",
                ["metadata"] = new JsonObject { ["resourceVersion"] = Text(_version) },
                ["items"] = new JsonArray([.. _slices.Values.Select(s => s.DeepClone())]),
            }.ToJsonString();
        }

        await AnswerAsync(context, list);
    }

    private async Task AnswerAsync(HttpContext context, string json)
    {
        var half = json.Length / 2;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json[..half]);
        await context.Response.Body.FlushAsync();
        await BetweenHalves().WaitAsync(context.RequestAborted);
        await context.Response.WriteAsync(json[half..]);
    }

    private async Task WatchAsync(HttpContext context, long from)
    {
        var lines = Channel.CreateUnbounded<string>();
        var gone = false;
        lock (_lock)
        {
            gone = from < _compacted;
            if (!gone)
            {
                _events.Where(e => e.Version > from).ToList().ForEach(e => lines.Writer.TryWrite(e.Line));
                _watches.Add(lines.Writer);
            }
        }

        if (gone && !GoneInStream)
        {
            await RefuseAsync(context, 410);
            return;
        }

        context.Response.ContentType = "application/json";
        await context.Response.Body.FlushAsync();
        if (gone)
        {
            await context.Response.WriteAsync(Event("ERROR", Status(410)) + "\n");
            return;
        }

        try
        {
            await foreach (var line in lines.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(line.TrimEnd('\0') + (line.EndsWith('\0') ? "" : "\n"), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                if (line.EndsWith('\0'))
                {
                    context.Abort();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The watcher has left.
        }
        finally
        {
            lock (_lock)
            {
                _watches.Remove(lines.Writer);
            }
        }
    }

    private Task RefuseAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return AnswerAsync(context, Status(status).ToJsonString());
    }

    private static JsonObject Status(int code) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = code == 410 ? "too old resource version" : "no",
        ["reason"] = code == 410 ? "Expired" : "Refused",
        ["code"] = code,
    };

    private static string Event(string type, JsonObject slice) => new JsonObject { ["type"] = type, ["object"] = slice.DeepClone() }.ToJsonString();

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
