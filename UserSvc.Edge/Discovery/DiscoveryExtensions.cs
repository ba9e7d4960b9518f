using Microsoft.Extensions.Options;
using UserSvc.Edge.Configuration;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace UserSvc.Edge.Discovery;

internal static class DiscoveryExtensions
{
    /// <summary>Finds destinations by the scheme of their address: see <see cref="DestinationAddress"/>.</summary>
    public static IReverseProxyBuilder AddDiscovery(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton(new KnownSection("ReverseProxy", typeof(ReverseProxySection), ConfiguredDestinations.Errors, ReverseProxySection.Unread));
        proxy.Services.AddCheckedOptions<DiscoveryOptions>(DiscoveryOptions.Section);
        proxy.Services.AddSingleton<IValidateOptions<DiscoveryOptions>, DiscoveryOptionsValidator>();
        proxy.Services.AddSingleton<DiscoverySources>();
        proxy.Services.AddHostedService(services => services.GetRequiredService<DiscoverySources>());
        proxy.Services.AddSingleton<IConfigChangeListener>(services => services.GetRequiredService<DiscoverySources>());
        proxy.Services.AddSingleton<IDestinationResolver, DiscoveryResolver>();
        SteadyProbing.Replace(proxy.Services);
        return proxy;
    }
}
