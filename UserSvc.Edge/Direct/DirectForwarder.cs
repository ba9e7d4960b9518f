using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Direct;

/// <summary>
/// Forwards requests to cleartext HTTP/1.1 upstreams, nearly all traffic, from socket to socket, without what HttpClient adds. YARP keeps the
/// others: upstreams with TLS or HTTP/2, upgrades, long bodies, other settings of connections, and routes that transform requests.
/// </summary>
internal sealed class DirectForwarder(IHttpForwarder yarp, UpstreamPools pools, Via via) : IHttpForwarder
{
    private static readonly Action<object?> Close = static connection => ((UpstreamConnection)connection!).Dispose();

    public ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer) =>
        SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, CancellationToken.None);

    public ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer, CancellationToken cancellationToken)
    {
        var proxied = context.GetReverseProxyFeature();
        var body = context.Features.Get<RequestBody>();
        return destinationPrefix.StartsWith("http:", StringComparison.OrdinalIgnoreCase) && requestConfig.Version == HttpVersion.Version11
            && IsPlain(proxied.Cluster.Config.HttpClient) && IsPlain(proxied.Route.Config) && IsPlain(context) && body is null or { IsWhole: true }
            ? ExchangeAsync(context, pools.Get(proxied.ProxiedDestination!.Model), body, requestConfig, transformer, cancellationToken)
            : yarp.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, cancellationToken);
    }

    private static bool IsPlain(HttpClientConfig? settings) =>
        settings is null or { MaxConnectionsPerServer: null, WebProxy: null, RequestHeaderEncoding: null, ResponseHeaderEncoding: null };

    private static bool IsPlain(HttpContext context) =>
        context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } && !HttpMethods.IsConnect(context.Request.Method)
        && context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.StartsWith('/');

    // What these do needs neither HttpClient's request nor its answer.
    private static bool IsPlain(RouteConfig route) =>
        route.Transforms is not { Count: > 0 } transforms || transforms.All(t => t.ContainsKey("ResponseHeaderRemove") || t.ContainsKey("ResponseHeader"));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ForwarderError> ExchangeAsync(
        HttpContext context, UpstreamPool pool, RequestBody? body, ForwarderRequestConfig config, HttpTransformer transformer, CancellationToken ended)
    {
        var attempts = context.Features.GetRequiredFeature<Attempts>();
        // YARP's default.
        attempts.Watch(config.ActivityTimeout ?? TimeSpan.FromSeconds(100));
        while (true)
        {
            UpstreamConnection? connection = null;
            CancellationTokenRegistration time = default, client = default;
            var whole = false;
            try
            {
                connection = pool.TakeIdle(attempts.Settings.IdleTimeout) ?? await pool.ConnectAsync(attempts.Settings.ConnectTimeout, ended);
                time = ended.UnsafeRegister(Close, connection);
                client = context.RequestAborted.UnsafeRegister(Close, connection);
                await connection.SendAsync(context.Request, body, attempts);
                await connection.ReceiveHeadAsync(HttpMethods.IsHead(context.Request.Method));
                whole = await AnswerAsync(context, connection, attempts, transformer, ended);
                return ForwarderError.None;
            }
            catch (Exception failure)
            {
                if (!IsStale(connection, failure) || ended.IsCancellationRequested || context.RequestAborted.IsCancellationRequested
                    || RetryRules.GetRepeatability(context.Request) is not Repeatability.Safe)
                {
                    return await DirectFailure.ReportAsync(context, attempts, transformer, failure, ended);
                }
            }
            finally
            {
                // Before the connection serves another request, which these must not cut.
                await time.DisposeAsync();
                await client.DisposeAsync();
                connection?.Release(whole);
            }
        }
    }

    // The upstream closed the idle connection when the request was on its way. A reset is a failure, for Retry to judge.
    private static bool IsStale(UpstreamConnection? connection, Exception failure) =>
        connection is { IsReused: true, IsUnanswered: true } && failure is IOException or SocketException { SocketErrorCode: SocketError.Shutdown };

    /// <returns>Whether the whole answer was read.</returns>
    private async ValueTask<bool> AnswerAsync(
        HttpContext context, UpstreamConnection connection, Attempts attempts, HttpTransformer transformer, CancellationToken ended)
    {
        var (head, response) = (connection.Head, context.Response);
        response.StatusCode = head.Status;
        if (attempts.Answer(RetryRules.Classify(head.Status, head.IsOverloaded), upgraded: false))
        {
            return head.Body is AnswerBody.None;
        }

        AnswerFields.Copy(head, context);
        via.Append(response.Headers, head.Version);
        // The configuration's transforms alone: the others do nothing without HttpClient's answer.
        await transformer.TransformResponseAsync(context, null, ended);
        if (head.Body is not AnswerBody.None)
        {
            await new AnswerCopier(connection, context, attempts, ended).CopyAsync();
        }

        return true;
    }
}
