using System.Diagnostics;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Keeps a client's trace id, so that one trace spans both sides, and drops its sampled flag, by which a stranger would decide what
/// is recorded here, or, where the edge itself exports no traces, upstream.
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
