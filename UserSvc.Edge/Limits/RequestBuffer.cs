using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Limits;

/// <summary>Section <c>Edge:RequestBuffer</c>.</summary>
internal sealed class RequestBufferOptions
{
    public const string Section = "Edge:RequestBuffer";

    /// <summary>The most memory, in bytes, that the beginnings of all requests' bodies may take together. Default 64 MiB; 1 MiB to 64 GiB.</summary>
    public long MaxBytes { get; set; } = 64 * 1024 * 1024;

    public bool IsValid() => MaxBytes is >= 1024 * 1024 and <= 64L * 1024 * 1024 * 1024;
}

/// <summary>The memory of all <see cref="RequestBody"/> together.</summary>
internal sealed class RequestBufferBudget(IOptions<RequestBufferOptions> options, TrustedProxies proxies)
{
    private readonly FairLimit _bytes = new();

    public long Bytes => _bytes.Taken;

    /// <summary>Requests refused because the budget was spent.</summary>
    public Counter Overflows { get; } = new();

    /// <returns>Whether the budget and the client's share of it have room.</returns>
    public bool TryTake(IPAddress? client, int bytes) => _bytes.Take(proxies.ShareKey(client), bytes, options.Value.MaxBytes) is null;

    public void Return(IPAddress? client, int bytes) => _bytes.Return(proxies.ShareKey(client), bytes);
}

/// <summary>
/// Reads a body of up to 64 KiB, or the beginning of a longer one, before the request takes a slot and a connection upstream: a client that
/// sends slowly keeps neither from others (nginx's proxy_request_buffering, Envoy's buffer filter).
/// </summary>
internal sealed class RequestBuffer(RequestDelegate next, RequestBufferBudget budget, IProblemDetailsService problems)
{
    public Task InvokeAsync(HttpContext context) =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true ? ReadAsync(context) : next(context);

    /// <summary>Why a request was refused whose body could not be read to its end.</summary>
    public static string? Explain(int status) => status switch
    {
        StatusCodes.Status400BadRequest => "The request body is malformed or incomplete.",
        StatusCodes.Status408RequestTimeout => "The request body arrived too slowly.",
        _ => null,
    };

    private async Task ReadAsync(HttpContext context)
    {
        LimitSize(context);
        var client = context.Connection.RemoteIpAddress;
        var body = new RequestBody(context.Request.Body, context.Request.ContentLength, budget, client);
        context.Features.Set(body);
        try
        {
            if (await ReadAheadAsync(context, body) is not { } refusal)
            {
                context.Request.Body = body;
                await next(context);
            }
            else if (!context.RequestAborted.IsCancellationRequested)
            {
                await refusal.WriteAsync(context, problems);
            }
        }
        finally
        {
            budget.Return(client, body.Taken);
        }
    }

    private async ValueTask<Refusal?> ReadAheadAsync(HttpContext context, RequestBody body)
    {
        try
        {
            if (await body.ReadAheadAsync(context.RequestAborted))
            {
                return null;
            }

            budget.Overflows.Increment();
            return new(StatusCodes.Status503ServiceUnavailable, "Too many request bodies are in memory.", Overloaded: true);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            body.Failure = failure;
            var status = (failure as BadHttpRequestException)?.StatusCode ?? StatusCodes.Status400BadRequest;
            return new(status, Explain(status));
        }
    }

    // YARP sets the route's limit too late: Kestrel takes none once the body is being read.
    private static void LimitSize(HttpContext context)
    {
        if (context.GetRouteModel().Config.MaxRequestBodySize is { } size)
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = size < 0 ? null : size;
        }
    }
}
