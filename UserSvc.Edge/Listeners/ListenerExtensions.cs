using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection.Extensions;
using UserSvc.Edge.Configuration;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

internal static class ListenerExtensions
{
    public static void AddListeners(this WebApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection("Kestrel");
        builder.Services.AddKnownOptions<HttpsOptions>(HttpsOptions.Section)
            .Validate(o => o.IsValid(), "Edge:Https: ReloadInterval must be between 100 ms and 1 h, RedirectPort between 1 and 65535, and HstsMaxAge at least one second.");
        builder.Services.AddSingleton<TlsCertificates>();
        builder.Services.AddHostedService(services => services.GetRequiredService<TlsCertificates>());
        // Kestrel itself reads only its endpoints and certificates from this section, not its limits.
        builder.Services.Configure<KestrelServerOptions>(section);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.BindRates(section.GetSection("Limits"));
            kestrel.RequestHeaderEncodingSelector = ContentLengthDigits.Select;
            kestrel.Configure(section, reloadOnChange: false)
                .Prepare(section, kestrel.ApplicationServices.GetRequiredService<TlsCertificates>(), kestrel.ApplicationServices.GetRequiredService<OpenListeners>());
        });
        builder.Services.AddSingleton<OpenListeners>();
        builder.Services.AddSingleton<ServerState>();
        // Kestrel asks the factory that was added last first.
        builder.Services.AddSingleton<IConnectionListenerFactory, ClosableSockets>();
        // A 4 KiB buffer for each idle connection costs less than one more system call for each request.
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.WaitForDataBeforeAllocatingBuffer = false);
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, ListenerPolicy>());
    }

    /// <summary>Counts requests, and asks clients of a draining listener to close. Runs before anything that refuses requests, so that those count too.</summary>
    /// <param name="app">The pipeline.</param>
    /// <param name="completed">Called at the end of each request to a public listener, with the timestamp of its beginning.</param>
    public static void UseListenerStatistics(this IApplicationBuilder app, Action<HttpContext, long> completed) => app.Use(next => context =>
    {
        if (context.Features.Get<ListenerFeature>() is { } listener)
        {
            listener.Statistics.Begin(context, listener.Listener is Listener.Public ? completed : null);
            if (listener.Draining)
            {
                context.AskToClose();
            }
        }

        return next(context);
    });

    public static TBuilder ServedOn<TBuilder>(this TBuilder endpoints, params Listener[] listeners)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoints.Add(endpoint => endpoint.Metadata.Add(new ServedOn(listeners)));
        return endpoints;
    }

    public static Listener GetListener(this HttpContext context) => context.Features.Get<ListenerFeature>()?.Listener ?? Listener.Public;

    private static void Prepare(this KestrelConfigurationLoader loader, IConfigurationSection section, TlsCertificates certificates, OpenListeners listeners)
    {
        foreach (var name in section.GetSection("Endpoints").GetChildren().Select(endpoint => endpoint.Key))
        {
            loader.Endpoint(name, endpoint =>
            {
                // Before TLS, so that connections with a failed handshake count.
                listeners.Add(name, endpoint.ListenOptions);
                if (endpoint.IsHttps)
                {
                    certificates.Secure(name, endpoint.ListenOptions);
                }
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
