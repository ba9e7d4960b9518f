using System.Collections.Concurrent;

// Takes exports over OTLP/HTTP and counts them. It reads every byte and keeps none: the cost measured is the sender's.
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
    // An empty answer is a whole one: an Export…ServiceResponse without a partial success.
    return Results.Bytes([], "application/x-protobuf");
});
app.MapGet("/", () => string.Join(", ", exports.OrderBy(e => e.Key).Select(e => $"{e.Key} {e.Value.Requests} exports of {e.Value.Bytes / 1024} KiB")));

app.Run();
