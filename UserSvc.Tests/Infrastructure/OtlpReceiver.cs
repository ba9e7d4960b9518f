using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace UserSvc.Tests.Infrastructure;

/// <summary>An exported span. <paramref name="Kind"/>: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.</summary>
internal sealed record ExportedSpan(string TraceId, string SpanId, string ParentSpanId, string Name, int Kind);

/// <summary>Receives telemetry over OTLP (HTTP, protobuf) like a collector and keeps what tests need.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver()
    {
        // An empty builder, because the tests' folder contains the services' appsettings.json.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        _app = builder.Build();
        _app.Urls.Add("http://127.0.0.1:0");
        _app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            Bodies.Enqueue(body.ToArray());
            foreach (var exported in Fields(body.ToArray()).Where(field => field.Number == 1))
            {
                var resource = ResourceAttributes(exported.Bytes);
                Services.Enqueue(Service(resource));
                Resources.Enqueue((context.Request.Path.Value!.Split('/')[^1], string.Join('\n', resource.Select(a => $"{a.Key}={a.Value}"))));
            }

            switch (context.Request.Path.Value)
            {
                case "/v1/traces":
                    Read(body.ToArray());
                    break;
                case "/v1/metrics":
                    ReadMetrics(body.ToArray());
                    break;
            }
        });
    }

    public ConcurrentQueue<ExportedSpan> Spans { get; } = [];

    /// <summary>The ids of a span and of a span that it links to.</summary>
    public ConcurrentQueue<(string Span, string Linked)> Links { get; } = [];

    /// <summary>The names of all exported instruments.</summary>
    public ConcurrentQueue<string> Metrics { get; } = [];

    /// <summary>The attributes of a span, by the span's id.</summary>
    public ConcurrentDictionary<string, SortedDictionary<string, string>> Attributes { get; } = [];

    /// <summary>The service that exported a span, by the span's id.</summary>
    public ConcurrentDictionary<string, string> Exporters { get; } = [];

    /// <summary>service.name and service.instance.id of everything received, metrics and logs included.</summary>
    public ConcurrentQueue<string> Services { get; } = [];

    /// <summary>
    /// A signal (<c>logs</c>, <c>metrics</c>, <c>traces</c>) and its resource's attributes in sorted lines, without those that describe the
    /// SDK.
    /// </summary>
    public ConcurrentQueue<(string Signal, string Attributes)> Resources { get; } = [];

    /// <summary>The raw bodies of everything received, metrics and logs included.</summary>
    public ConcurrentQueue<byte[]> Bodies { get; } = [];

    /// <summary>Makes a service export here, soon after spans end.</summary>
    public (string Key, string Value)[] Settings =>
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", _app.Urls.Single()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ];

    public static async Task<OtlpReceiver> StartAsync()
    {
        var receiver = new OtlpReceiver();
        await receiver._app.StartAsync(TestContext.Current.CancellationToken);
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    // ExportTraceServiceRequest.resource_spans = 1, ResourceSpans.scope_spans = 2, ScopeSpans.spans = 2;
    // Span.trace_id = 1, span_id = 2, parent_span_id = 4, name = 5, kind = 6, attributes = 9, links = 13; Link.span_id = 2.
    private void Read(byte[] request)
    {
        var spans =
            from resource in Fields(request) where resource.Number == 1
            from scope in Fields(resource.Bytes) where scope.Number == 2
            from span in Fields(scope.Bytes) where span.Number == 2
            select (Service(ResourceAttributes(resource.Bytes)), Fields(span.Bytes).ToLookup(f => f.Number));
        foreach (var (service, span) in spans)
        {
            Exporters[Convert.ToHexStringLower(span[2].Single().Bytes.Span)] = service;
            Attributes[Convert.ToHexStringLower(span[2].Single().Bytes.Span)] = ReadAttributes(span[9]);
            Spans.Enqueue(new(
                Convert.ToHexStringLower(span[1].Single().Bytes.Span),
                Convert.ToHexStringLower(span[2].Single().Bytes.Span),
                Convert.ToHexStringLower(span[4].SingleOrDefault().Bytes.Span),
                Encoding.UTF8.GetString(span[5].Single().Bytes.Span),
                (int)span[6].SingleOrDefault().Value));
            foreach (var link in span[13])
            {
                Links.Enqueue((Convert.ToHexStringLower(span[2].Single().Bytes.Span), Convert.ToHexStringLower(Fields(link.Bytes).Single(f => f.Number == 2).Bytes.Span)));
            }
        }
    }

    // ExportMetricsServiceRequest.resource_metrics = 1, ResourceMetrics.scope_metrics = 2, ScopeMetrics.metrics = 2; Metric.name = 1.
    private void ReadMetrics(byte[] request)
    {
        var names =
            from resource in Fields(request) where resource.Number == 1
            from scope in Fields(resource.Bytes) where scope.Number == 2
            from metric in Fields(scope.Bytes) where metric.Number == 2
            select Encoding.UTF8.GetString(Fields(metric.Bytes).First(f => f.Number == 1).Bytes.Span);
        foreach (var name in names)
        {
            Metrics.Enqueue(name);
        }
    }

    // The same in ResourceSpans, ResourceMetrics and ResourceLogs: resource = 1, Resource.attributes = 1.
    private static SortedDictionary<string, string> ResourceAttributes(ReadOnlyMemory<byte> exported) =>
        ReadAttributes(Fields(Fields(exported).First(f => f.Number == 1).Bytes).Where(f => f.Number == 1));

    // KeyValue.key = 1, value = 2; AnyValue.string_value = 1, int_value = 3.
    private static SortedDictionary<string, string> ReadAttributes(IEnumerable<(int Number, ReadOnlyMemory<byte> Bytes, ulong Value)> attributes) => new(
        attributes.Select(attribute => Fields(attribute.Bytes).ToLookup(f => f.Number))
        .Select(a => (Key: Encoding.UTF8.GetString(a[1].Single().Bytes.Span), Value: Fields(a[2].Single().Bytes).FirstOrDefault()))
        .Where(a => !a.Key.StartsWith("telemetry.sdk.", StringComparison.Ordinal))
        .ToDictionary(a => a.Key, a => a.Value.Number == 3 ? $"{a.Value.Value}" : Encoding.UTF8.GetString(a.Value.Bytes.Span)), StringComparer.Ordinal);

    private static string Service(SortedDictionary<string, string> resource) => $"{resource["service.name"]} {resource.GetValueOrDefault("service.instance.id")}";

    // A protobuf message: a varint (number << 3 | wire type), then a varint (0), 8 bytes (1), a length and bytes (2), or 4 bytes (5).
    private static List<(int Number, ReadOnlyMemory<byte> Bytes, ulong Value)> Fields(ReadOnlyMemory<byte> message)
    {
        var fields = new List<(int, ReadOnlyMemory<byte>, ulong)>();
        while (!message.IsEmpty)
        {
            var tag = Varint(ref message);
            var value = 0ul;
            var length = (tag & 7) switch { 1 => 8, 2 => (int)Varint(ref message), 5 => 4, _ => 0 };
            if ((tag & 7) == 0)
            {
                value = Varint(ref message);
            }

            fields.Add(((int)(tag >> 3), message[..length], value));
            message = message[length..];
        }

        return fields;
    }

    private static ulong Varint(ref ReadOnlyMemory<byte> message)
    {
        var value = 0ul;
        for (var shift = 0; ; shift += 7)
        {
            var next = message.Span[0];
            message = message[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
    }
}
