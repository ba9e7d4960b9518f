using System.Diagnostics;
using System.Net.Http.Headers;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Sets the trace context that upstreams get: the edge's own, or, when the edge traces nothing, the client's without its sampled flag.
/// HttpClient's own handler would create an activity for every request, recorded or not.
/// </summary>
internal sealed class TraceContext(DistributedContextPropagator propagator) : RequestTransform
{
    private const string TraceParent = "traceparent";

    private readonly string[] _fields = [.. propagator.Fields];
    private readonly bool _untrusted = propagator is UntrustedSampling;

    public override ValueTask ApplyAsync(RequestTransformContext context)
    {
        var headers = context.ProxyRequest.Headers;
        if (Activity.Current is { } activity)
        {
            foreach (var field in _fields)
            {
                headers.Remove(field);
            }

            propagator.Inject(activity, headers, static (carrier, name, value) => ((HttpRequestHeaders)carrier!).TryAddWithoutValidation(name, value));
        }
        else if (_untrusted && headers.NonValidated.TryGetValues(TraceParent, out var sent))
        {
            headers.Remove(TraceParent);
            headers.TryAddWithoutValidation(TraceParent, UntrustedSampling.Unsampled(sent.ToString()));
        }

        return default;
    }
}

/// <summary>
/// Keeps a client's trace id, so that one trace spans both sides, and drops its sampled flag: clients must not decide what is recorded
/// here or upstream.
/// </summary>
internal sealed class UntrustedSampling(DistributedContextPropagator inner) : DistributedContextPropagator
{
    // 00-<32 hex digits>-<16 hex digits>-<flags, 2 hex digits>
    private const int Flags = 53;

    public override IReadOnlyCollection<string> Fields => inner.Fields;

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState)
    {
        inner.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);
        traceId = Unsampled(traceId);
    }

    public static string? Unsampled(string? traceParent) =>
        traceParent?.Length >= Flags + 2 ? string.Concat(traceParent.AsSpan(0, Flags), "00", traceParent.AsSpan(Flags + 2)) : traceParent;

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) =>
        inner.ExtractBaggage(carrier, getter);

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter) => inner.Inject(activity, carrier, setter);
}
