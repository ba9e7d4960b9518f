using System.Collections.Concurrent;

// Accepts exports over OTLP/HTTP and counts them. Reads every byte and keeps none, because the benchmarks measure the sender.
var exports = new ConcurrentDictionary<string, (int Requests, long Bytes)>();

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
var app = builder.Build();

app.MapPost("/v1/{signal}", async (string signal, HttpRequest request, CancellationToken cancellationToken) =>
{
    long bytes = 0;
    while (true)
    {
        var read = await request.BodyReader.ReadAsync(cancellationToken);
        bytes += read.Buffer.Length;
        request.BodyReader.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
        {
            break;
        }
    }

    exports.AddOrUpdate(signal, (1, bytes), (_, sum) => (sum.Requests + 1, sum.Bytes + bytes));
    // An empty body is a complete answer: an Export…ServiceResponse without a partial success.
    return Results.Bytes([], "application/x-protobuf");
});
app.MapGet("/", () => string.Join(", ", exports.OrderBy(e => e.Key).Select(e => $"{e.Key} {e.Value.Requests} exports of {e.Value.Bytes / 1024} KiB")));

app.Run();
