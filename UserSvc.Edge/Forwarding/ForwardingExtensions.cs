using System.Diagnostics;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http.Timeouts;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Resilience;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>The proxying itself: YARP over its own <c>ReverseProxy</c> section.</summary>
internal static class ForwardingExtensions
{
    public static void AddForwarding(this IHostApplicationBuilder builder)
    {
        builder.Services.AddReverseProxy()
            .LoadFromConfig(builder.Configuration.GetSection("ReverseProxy"))
            .AddDiscovery()
            .AddConfigFilter<RouteBodySize>()
            .AddTransforms(context =>
            {
                // RequestHeaders has set X-Forwarded-*, unless the route has a transform of its own for them.
                context.UseDefaultForwarders ??= false;
                context.ResponseTransforms.Add(new AnswerHeaders());
                // A route that rewrites path or query by YARP's own transforms keeps their outcome.
                if (!context.RequestTransforms.Any(t => t is PathStringTransform or PathRouteValuesTransform or QueryParameterTransform or QueryParameterRemoveTransform))
                {
                    context.RequestTransforms.Add(new OriginalTarget());
                }

                context.RequestTransforms.Add(new TraceContext(context.Services.GetRequiredService<DistributedContextPropagator>()));
            })
            .AddResilience();
        builder.Services.AddKnownOptions<ClientOptions>(ClientOptions.Section)
            .Validate(o => o.TrustedProxies.All(proxy => ClientOptions.Parse(proxy) is not null),
                "Edge:TrustedProxies must be addresses or networks, as 10.1.2.3 or 10.0.0.0/8");
        builder.Services.AddKnownOptions<PathOptions>(PathOptions.Section)
            .Validate(o => Enum.IsDefined(o.EscapedSlashes), "Edge:Path:EscapedSlashes must be Keep or Reject");
        builder.Services.AddSingleton<ForwardedClient>();
        builder.Services.RemoveKeyRingAtStart();
        builder.Services.AddSingleton<IForwarderHttpClientFactory, UpstreamClients>();
        if (!ClientOptions.TrustsSampling(builder.Configuration))
        {
            builder.Services.AddSingleton<DistributedContextPropagator>(new UntrustedSampling(DistributedContextPropagator.Current));
        }

        builder.Services.AddSingleton<ClustersHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<ClustersHealthCheck>("clusters", tags: [ServiceDefaultsExtensions.ReadyTag]);
    }

    public static void UseRequestId(this IApplicationBuilder app) => app.UseMiddleware<RequestId>();

    /// <summary>Refuses or cleans what strangers send. Stands before routing, which must see the path that is forwarded.</summary>
    public static void UseRequestHygiene(this IApplicationBuilder app)
    {
        app.UseMiddleware<RequestHeaders>();
        app.UseMiddleware<NormalPath>();
    }

    /// <summary>A body for statuses without one, but for an upstream's, which stay as they are: those routes are the forwarder's own affair.</summary>
    public static void UseStatusProblems(this IApplicationBuilder app) =>
        app.UseWhen(context => context.GetEndpoint()?.Metadata.GetMetadata<RouteModel>() is null, own => own.UseStatusCodePages());

    public static ReverseProxyConventionBuilder MapForwarding(this IEndpointRouteBuilder endpoints)
    {
        var proxied = endpoints.MapReverseProxy(pipeline =>
        {
            pipeline.UseMiddleware<ForwarderErrors>();
            pipeline.UseMiddleware<ForwardedProbes>();
            pipeline.UseResilientLoadBalancing();
        });
        proxied.Add(KeepsItsOwnTime);
        return proxied;
    }

    // Each try knows what is left of its route's Timeout; with this mark YARP would insist on ASP.NET's middleware.
    private static void KeepsItsOwnTime(EndpointBuilder endpoint)
    {
        foreach (var mark in endpoint.Metadata.OfType<RequestTimeoutAttribute>().ToList())
        {
            endpoint.Metadata.Remove(mark);
        }
    }

    // For the cookies of session affinity YARP brings data protection, which makes a key at start and stores it in the home folder.
    // Without its hosted service that happens when a route first asks for affinity.
    private static void RemoveKeyRingAtStart(this IServiceCollection services)
    {
        var dataProtection = typeof(DataProtectionOptions).Assembly;
        services.Remove(services.Single(s => s.ServiceType == typeof(IHostedService) && s.ImplementationType?.Assembly == dataProtection));
    }
}
