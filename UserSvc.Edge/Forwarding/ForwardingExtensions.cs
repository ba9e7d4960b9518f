using System.Diagnostics;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
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
                // RequestHeaders has already set X-Forwarded-*; a route's own transform for them wins.
                context.UseDefaultForwarders ??= false;
                // First, so that a route's own transforms see the headers as the client would, Via included.
                context.ResponseTransforms.Insert(0, new AnswerHeaders(context.Services.GetRequiredService<Via>()));
                // Do not undo YARP's own transforms of path and query.
                if (!context.RequestTransforms.Any(t => t is PathStringTransform or PathRouteValuesTransform or QueryParameterTransform or QueryParameterRemoveTransform))
                {
                    context.RequestTransforms.Add(new OriginalTarget());
                }

                context.AddRequestTransform(RequestHeaders.KeepTeForHttp2);
                context.RequestTransforms.Add(new TraceContext(context.Services.GetRequiredService<DistributedContextPropagator>()));
            })
            .AddResilience();
        builder.Services.AddCheckedOptions<PathOptions>(PathOptions.Section)
            .Validate(o => Enum.IsDefined(o.EscapedSlashes), "Edge:Path:EscapedSlashes must be Keep or Reject");
        builder.Services.AddCrossOrigin();
        builder.Services.AddSingleton<ForwardedClient>();
        builder.Services.AddSingleton<Via>();
        builder.Services.RemoveKeyRingAtStart();
        builder.Services.AddSingleton<IForwarderHttpClientFactory, UpstreamClients>();
        if (!ClientOptions.TrustsSampling(builder.Configuration))
        {
            builder.Services.AddSingleton<DistributedContextPropagator>(new UntrustedSampling(DistributedContextPropagator.Current));
        }

        builder.Services.AddSingleton<ClustersHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<ClustersHealthCheck>("clusters", tags: [ServiceDefaultsExtensions.ReadyTag]);
    }

    /// <summary>Strict-Transport-Security and the redirect to https, on the public listeners and only if configured. Health probes stay on http.</summary>
    public static void UseHttpsPolicy(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<HttpsOptions>>().Value;
        if (options.HstsMaxAge is not null || options.RedirectPort is not null)
        {
            app.UseWhen(context => context.GetListener() is Listener.Public, open => open.UseMiddleware<HttpsPolicy>());
        }
    }

    /// <summary>Gives the edge's own answers a body if they have none. An upstream's answers stay as they are.</summary>
    public static void UseOwnStatusProblems(this IApplicationBuilder app) =>
        app.UseWhen(context => context.GetEndpoint()?.Metadata.GetMetadata<RouteModel>() is null, own => own.UseStatusProblems());

    /// <summary>Each attempt knows what is left of its route's Timeout. If YARP's attribute stayed on the endpoint, ASP.NET would require its own middleware too.</summary>
    public static ReverseProxyConventionBuilder WithoutTimeoutMiddleware(this ReverseProxyConventionBuilder proxied)
    {
        proxied.Add(endpoint =>
        {
            foreach (var mark in endpoint.Metadata.OfType<RequestTimeoutAttribute>().ToList())
            {
                endpoint.Metadata.Remove(mark);
            }
        });
        return proxied;
    }

    // YARP adds data protection for the cookies of session affinity; its hosted service creates a key at start and stores it in the home
    // folder. Without that service, this happens when a route first uses affinity.
    private static void RemoveKeyRingAtStart(this IServiceCollection services)
    {
        var dataProtection = typeof(DataProtectionOptions).Assembly;
        services.Remove(services.Single(s => s.ServiceType == typeof(IHostedService) && s.ImplementationType?.Assembly == dataProtection));
    }
}
