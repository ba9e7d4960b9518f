using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

internal static class ListenerExtensions
{
    public static void AddListeners(this WebApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection("Kestrel");
        builder.Services.AddCheckedOptions<HttpsOptions>(HttpsOptions.Section)
            .Validate(o => o.IsValid(), "Edge:Https: ReloadInterval must be between 100 ms and 1 h, HandshakeTimeout between 100 ms and 5 min, RedirectPort between 1 and 65535, and HstsMaxAge at least one second.");
        builder.Services.AddCheckedOptions<ConnectionOptions>(ConnectionOptions.Section)
            .Validate(o => o.IsValid(), "Edge:Connections: Max must be between 1 and 1000000, AddressPerSecond between 0 and 100000, MaxHandshakes between 1 and 1000000, MaxResets between 0 and 1000000, and FirstByteTimeout between 100 ms and 1 h.");
        builder.Services.AddCheckedOptions<ClientOptions>(ClientOptions.Section)
            .Validate(o => o.TrustedProxies.All(proxy => ClientOptions.Parse(proxy) is not null),
                "Edge:TrustedProxies must be addresses or networks, such as 10.1.2.3 or 10.0.0.0/8");
        builder.Services.AddSingleton<TrustedProxies>();
        builder.Services.AddSingleton<TlsCertificates>();
        builder.Services.AddHostedService(services => services.GetRequiredService<TlsCertificates>());
        // Kestrel itself reads only its endpoints and certificates from this section, not its limits.
        builder.Services.Configure<KestrelServerOptions>(section);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.BindRates(section.GetSection("Limits"));
            kestrel.RequestHeaderEncodingSelector = HeaderBytes.ForRequest;
            kestrel.ResponseHeaderEncodingSelector = HeaderBytes.ForAnswer;
            kestrel.Configure(section, reloadOnChange: false).Prepare(section, kestrel.ApplicationServices);
        });
        builder.Services.AddSingleton<OpenListeners>();
        builder.Services.AddSingleton<Overload>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Overload>());
        builder.Services.AddHealthChecks().AddCheck<ListenersHealthCheck>("listeners", tags: [ServiceDefaultsExtensions.ReadyTag]);
        builder.Services.AddSingleton<ServerState>();
        // Kestrel asks the factory that was added last first.
        builder.Services.AddSingleton<IConnectionListenerFactory, LimitedSockets>();
        // A 4 KiB buffer for each idle connection costs less than one more system call for each request.
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.WaitForDataBeforeAllocatingBuffer = false);
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, ListenerPolicy>());
    }

    /// <summary>
    /// Counts requests, asks clients of a draining or crowded listener to close, and ends requests that their clients have already reset. Runs before
    /// anything that refuses requests, so that those count too.
    /// </summary>
    /// <param name="app">The pipeline.</param>
    /// <param name="completed">Called at the end of each request to a public listener, with the timestamp of its beginning.</param>
    public static void UseListenerStatistics(this IApplicationBuilder app, Action<HttpContext, long> completed)
    {
        app.Use(next => context =>
        {
            if (context.Features.Get<ListenerFeature>() is { } listener)
            {
                listener.Statistics.Begin(context, listener.Listener is Listener.Public ? Complete : null);
                if (listener.AsksToClose)
                {
                    context.AskToClose();
                }
            }

            return HttpProtocol.IsHttp2(context.Request.Protocol) && context.RequestAborted.IsCancellationRequested ? Task.CompletedTask : next(context);
        });

        void Complete(HttpContext context, long begun)
        {
            ClientConnection.CountReset(context);
            completed(context, begun);
        }
    }

    public static TBuilder ServedOn<TBuilder>(this TBuilder endpoints, params Listener[] listeners)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoints.Add(endpoint => endpoint.Metadata.Add(new ServedOn(listeners)));
        return endpoints;
    }

    public static Listener GetListener(this HttpContext context) => context.Features.Get<ListenerFeature>()?.Listener ?? Listener.Public;

    private static void Prepare(this KestrelConfigurationLoader loader, IConfigurationSection section, IServiceProvider services)
    {
        var listeners = services.GetRequiredService<OpenListeners>();
        var firstByte = services.GetRequiredService<IOptions<ConnectionOptions>>().Value.FirstByteTimeout;
        var time = services.GetRequiredService<TimeProvider>();
        foreach (var name in section.GetSection("Endpoints").GetChildren().Select(endpoint => endpoint.Key))
        {
            loader.Endpoint(name, endpoint =>
            {
                listeners.Add(name, endpoint.IsHttps, endpoint.ListenOptions);
                if (endpoint.IsHttps)
                {
                    services.GetRequiredService<TlsCertificates>().Secure(name, endpoint.ListenOptions);
                }

                endpoint.ListenOptions.Use(next => ClientConnection.AwaitFirstByte(next, firstByte, time));
            });
        }
    }

    // A rate's properties are read-only: the binder silently leaves an existing rate as it is.
    private static void BindRates(this KestrelServerLimits limits, IConfigurationSection section)
    {
        limits.MinRequestBodyDataRate = Rate(nameof(limits.MinRequestBodyDataRate)) ?? limits.MinRequestBodyDataRate;
        limits.MinResponseDataRate = Rate(nameof(limits.MinResponseDataRate)) ?? limits.MinResponseDataRate;

        MinDataRate? Rate(string name) => section.GetSection(name).Get<MinDataRate>();
    }
}
