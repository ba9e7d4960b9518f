using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>Removes from an upstream's answer what its <c>Connection</c> header names (RFC 9110, 7.6.1); YARP removes only those it knows.</summary>
internal sealed class NominatedHeaders : ResponseTransform
{
    public override ValueTask ApplyAsync(ResponseTransformContext context)
    {
        if (context.ProxyResponse?.Headers.NonValidated.TryGetValues("Connection", out var connection) is true)
        {
            foreach (var value in connection)
            {
                foreach (var name in value.Split(',', StringSplitOptions.TrimEntries))
                {
                    // The message's own frame is no header of the connection.
                    if (name is { Length: > 0 } && !name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
                    {
                        context.HttpContext.Response.Headers.Remove(name);
                    }
                }
            }
        }

        return default;
    }
}
