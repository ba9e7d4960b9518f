using Microsoft.Extensions.DependencyInjection.Extensions;
using Yarp.ReverseProxy.Configuration.ClusterValidators;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>Retries, ejection, circuit breaking and timeouts hide an upstream's failures from clients.</summary>
internal static class ResilienceExtensions
{
    public static IReverseProxyBuilder AddResilience(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton<ResilienceState>();
        proxy.Services.AddSingleton<ClusterStatuses>();
        proxy.Services.AddHostedService<Sampling>();
        proxy.Services.AddSingleton<Ejections>();
        proxy.Services.AddAttemptForwarder();
        proxy.Services.AddSingleton<IClusterValidator, ClusterSettingsValidator>();
        proxy.Services.AddSingleton<IPassiveHealthCheckPolicy, ConsecutiveFailures>();
        proxy.Services.AddSingleton<IActiveHealthCheckPolicy, ProbeThresholds>();
        proxy.Services.AddSingleton<IAvailableDestinationsPolicy, PanicThreshold>();
        return proxy.AddTransforms(context =>
        {
            context.AddRequestTransform(AttemptForwarder.GiveContent);
            context.AddResponseTransform(AttemptForwarder.OnAnswer);
        });
    }

    /// <summary>Wraps YARP's own forwarder.</summary>
    private static void AddAttemptForwarder(this IServiceCollection services)
    {
        var forwarder = services.Single(s => s.ServiceType == typeof(IHttpForwarder)).ImplementationType!;
        services.Replace(ServiceDescriptor.Singleton<IHttpForwarder>(
            provider => ActivatorUtilities.CreateInstance<AttemptForwarder>(provider, ActivatorUtilities.CreateInstance(provider, forwarder))));
    }
}
