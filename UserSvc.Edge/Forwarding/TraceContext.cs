using System.Diagnostics;
using System.Net.Http.Headers;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// The trace context that upstreams get: this edge's own, or, where it traces nothing, the client's without its sampled flag. HttpClient's
/// handler for this makes an activity for every request, recorded or not.
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
