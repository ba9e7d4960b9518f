using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace UserSvc.Edge.Listeners;

internal static class ListenerExtensions
{
    public static void AddListeners(this WebApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection("Kestrel");
        // By itself Kestrel reads only its endpoints and certificates from there, not its limits.
        builder.Services.Configure<KestrelServerOptions>(section);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigurationLoader!.Mark(Listener.Health));
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, ListenerPolicy>());
    }

    public static TBuilder ServedOn<TBuilder>(this TBuilder endpoints, Listener listener)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoints.Add(endpoint => endpoint.Metadata.Add(new ServedOn(listener)));
        return endpoints;
    }

    private static void Mark(this KestrelConfigurationLoader loader, Listener listener)
    {
        var feature = new ListenerFeature(listener);
        loader.Endpoint(listener.ToString(), endpoint => endpoint.ListenOptions.Use(next => connection =>
        {
            connection.Features.Set(feature);
            return next(connection);
        }));
    }
}
