using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

/// <summary>Section <c>Drain</c>: how a service shuts down.</summary>
public sealed class DrainOptions
{
    internal const string Section = "Drain";

    /// <summary>
    /// How long new requests are still served after SIGTERM, while readiness already fails. At least as long as callers need to
    /// notice: the edge's probe interval, or the time Kubernetes takes to update endpoints. Default 5 s; 0 to 5 min.
    /// </summary>
    public TimeSpan Time { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long requests in flight may take after that before their connections are closed. Default 20 s; 0 to 5 min.</summary>
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(20);
}

/// <summary>
/// On SIGTERM readiness fails at once, requests are still served for <see cref="DrainOptions.Time"/> with answers that ask the client to
/// close its connection (over HTTP/2 with GOAWAY), and then the host stops once the requests in flight have ended.
/// </summary>
public sealed partial class Drain(IOptions<DrainOptions> options, ServiceExit exit, TimeProvider time, ILogger<Drain> logger) : IHostedLifecycleService
{
    /// <summary>True from SIGTERM on.</summary>
    public bool Started { get; private set; }

    // The host awaits every service's StoppingAsync before any StopAsync, so the web server still listens here.
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (Started || exit.Requested)
        {
            // Disposing the host stops it again.
            return;
        }

        Started = true;
        LogStarted(logger, options.Value.Time);
        await Task.Delay(options.Value.Time, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(Level = LogLevel.Information, Message = "Draining: no longer ready; new requests are served for another {Time}")]
    private static partial void LogStarted(ILogger logger, TimeSpan time);
}

internal sealed class DrainHealthCheck(Drain drain) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(drain.Started ? HealthCheckResult.Unhealthy("draining") : HealthCheckResult.Healthy());
}

public static class DrainExtensions
{
    private static readonly TimeSpan MaxPeriod = TimeSpan.FromMinutes(5);

    /// <summary>Asks the client to close the connection after this answer; over HTTP/2, to start no further streams on it.</summary>
    public static void AskToClose(this HttpContext context)
    {
        context.Response.OnStarting(static state =>
        {
            ((HttpContext)state).Response.Headers.Connection = "close";
            return Task.CompletedTask;
        }, context);
        if (HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            // Over HTTP/2 the header means nothing. This sends GOAWAY: streams in flight end, the next request opens a new connection.
            context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    }

    internal static void AddDrain(this IHostApplicationBuilder builder)
    {
        builder.Services.AddCheckedOptions<DrainOptions>(DrainOptions.Section)
            .Validate(o => o.Time >= TimeSpan.Zero && o.Time <= MaxPeriod && o.Grace >= TimeSpan.Zero && o.Grace <= MaxPeriod,
                "Drain:Time and Drain:Grace must be between 0 and 5 minutes");
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<DrainOptions>>(
            (host, drain) => host.ShutdownTimeout = drain.Value.Time + drain.Value.Grace);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Drain>());
    }

    internal static void UseCloseWhileDraining(this IApplicationBuilder app)
    {
        var drain = app.ApplicationServices.GetRequiredService<Drain>();
        app.Use(next => context =>
        {
            if (drain.Started)
            {
                context.AskToClose();
            }

            return next(context);
        });
    }
}
