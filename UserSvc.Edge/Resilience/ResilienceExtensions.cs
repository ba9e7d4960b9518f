using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Configuration.ClusterValidators;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>Retries, ejection, circuit breaking and timeouts: what hides an upstream's failure from clients.</summary>
internal static class ResilienceExtensions
{
    public static IReverseProxyBuilder AddResilience(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton<ResilienceState>();
        proxy.Services.AddHostedService<ResilienceMetrics>();
        proxy.Services.AddHostedService<Sampling>();
        proxy.Services.AddSingleton<Ejections>();
        proxy.Services.AddTryTimeout();
        proxy.Services.AddSingleton<IClusterValidator, ClusterSettingsValidator>();
        proxy.Services.AddSingleton<IPassiveHealthCheckPolicy, ConsecutiveFailures>();
        proxy.Services.AddSingleton<IActiveHealthCheckPolicy, ProbeThresholds>();
        proxy.Services.AddSingleton<IAvailableDestinationsPolicy, PanicThreshold>();
        return proxy.AddTransforms(context =>
        {
            context.AddRequestTransform(Retry.GiveContent);
            context.AddResponseTransform(TryTimeout.Stop);
            context.AddResponseTransform(Retry.HoldBack);
        });
    }

    /// <summary>The limits and retries, in their place around session affinity and load balancing.</summary>
    public static void UseResilientLoadBalancing(this IReverseProxyApplicationBuilder pipeline)
    {
        pipeline.UseMiddleware<ClusterLimit>();
        pipeline.UseMiddleware<Retry>();
        pipeline.UseSessionAffinity();
        pipeline.UseLoadBalancing();
        pipeline.UseMiddleware<DestinationLimit>();
        pipeline.UsePassiveHealthChecks();
    }
}
