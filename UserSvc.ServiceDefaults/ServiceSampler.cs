using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Trace;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Parent-based sampling by trace id, with three additions: probes are never traced, an untrusted caller's sampled flag is ignored, and
/// work done for several requests at once is recorded when one of the linked requests is.
/// </summary>
/// <remarks>
/// The ratio is 1% unless the standard variables <c>OTEL_TRACES_SAMPLER</c> (<c>always_on</c>, <c>always_off</c>, or a
/// <c>traceidratio</c>) and <c>OTEL_TRACES_SAMPLER_ARG</c> (0 to 1) say otherwise.
/// </remarks>
internal sealed class ServiceSampler(IConfiguration configuration, bool trustRemote) : Sampler
{
    private readonly TraceIdRatioBasedSampler _ratio = new(Ratio(configuration));

    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        var parent = samplingParameters.ParentContext;
        if (parent.TraceId != default && (trustRemote || !parent.IsRemote))
        {
            return new(parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded) && !IsProbe(samplingParameters));
        }

        return IsProbe(samplingParameters) ? new(false)
            : HasRecordedLink(samplingParameters) ? new(true)
            : _ratio.ShouldSample(samplingParameters);
    }

    private static bool IsProbe(in SamplingParameters parameters)
    {
        if (parameters.Kind != ActivityKind.Server)
        {
            return false;
        }

        foreach (var tag in parameters.Tags ?? [])
        {
            if (tag.Key == "url.path")
            {
                return tag.Value is "/alive" or "/health" or "/ready" or "/stats/prometheus" or "/events";
            }
        }

        return false;
    }

    private static bool HasRecordedLink(in SamplingParameters parameters)
    {
        foreach (var link in parameters.Links ?? [])
        {
            if (link.Context.TraceFlags.HasFlag(ActivityTraceFlags.Recorded))
            {
                return true;
            }
        }

        return false;
    }

    private static double Ratio(IConfiguration configuration) => configuration["OTEL_TRACES_SAMPLER"] switch
    {
        "always_on" or "parentbased_always_on" => 1,
        "always_off" or "parentbased_always_off" => 0,
        _ when double.TryParse(configuration["OTEL_TRACES_SAMPLER_ARG"], NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio)
            => Math.Clamp(ratio, 0, 1),
        _ => 0.01,
    };
}
