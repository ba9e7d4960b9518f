using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Forwards path and query as the client wrote them, in the form that <see cref="NormalPath"/> leaves. YARP decodes and encodes again, which
/// makes <c>%2F</c> into <c>%252F</c>: the upstream would see another name than when called straight.
/// </summary>
internal sealed class OriginalTarget : RequestTransform
{
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    public override ValueTask ApplyAsync(RequestTransformContext context)
    {
        var target = context.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;

        // The target of OPTIONS may be an asterisk.
        if (target.StartsWith('/'))
        {
            context.ProxyRequest.RequestUri = new Uri(string.Concat(context.DestinationPrefix.AsSpan().TrimEnd('/'), target), AsWritten);
        }

        return default;
    }
}
