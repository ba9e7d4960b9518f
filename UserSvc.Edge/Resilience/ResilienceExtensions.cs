using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection.Extensions;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration.ClusterValidators;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>Retries, ejection, circuit breaking and timeouts hide an upstream's failures from clients.</summary>
internal static class ResilienceExtensions
{
    private const string AnswerAttemptCount = "Edge:AnswerAttemptCount";

    public static IReverseProxyBuilder AddResilience(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton(new KnownSection(AnswerAttemptCount, typeof(bool)));
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

    /// <summary>
    /// Answers say how many attempts they took, if <c>Edge:AnswerAttemptCount</c> is true: Envoy's include_attempt_count_in_response. Stands
    /// where the request has its <see cref="Attempts"/>.
    /// </summary>
    public static void UseAnswerAttemptCount(this IApplicationBuilder proxied)
    {
        if (!proxied.ApplicationServices.GetRequiredService<IConfiguration>().GetValue<bool>(AnswerAttemptCount))
        {
            return;
        }

        proxied.Use(next => context =>
        {
            context.Response.OnStarting(static state =>
            {
                var context = (HttpContext)state;
                var attempts = context.Features.GetRequiredFeature<Attempts>().Number;
                context.Response.Headers[Retry.AttemptHeader] = attempts.ToString(CultureInfo.InvariantCulture);
                return Task.CompletedTask;
            }, context);
            return next(context);
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
