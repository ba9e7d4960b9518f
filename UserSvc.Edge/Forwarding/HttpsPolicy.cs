using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Sends clients to https: Strict-Transport-Security over https, a redirect over http. The redirect keeps method and body (308) and the
/// target as written. A request that a trusted proxy received over TLS counts as https.
/// </summary>
internal sealed class HttpsPolicy(RequestDelegate next, IOptions<HttpsOptions> options, IProblemDetailsService problems)
{
    private readonly int? _port = options.Value.RedirectPort;
    private readonly string? _hsts = Hsts(options.Value);

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.IsHttps)
        {
            context.Response.Headers.StrictTransportSecurity = _hsts;
        }
        else if (_port is { } port)
        {
            if (!request.Host.HasValue)
            {
                return new Refusal(StatusCodes.Status400BadRequest, "This service is available over https only.").WriteAsync(context, problems);
            }

            var host = port == 443 ? request.Host.Host : $"{request.Host.Host}:{port.ToString(CultureInfo.InvariantCulture)}";
            context.Response.StatusCode = StatusCodes.Status308PermanentRedirect;
            var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
            // OPTIONS * has no path.
            context.Response.Headers.Location = $"https://{host}{(target.StartsWith('/') ? target : "/")}";
            return Task.CompletedTask;
        }

        return next(context);
    }

    private static string? Hsts(HttpsOptions options) => options.HstsMaxAge is not { } age ? null
        : string.Create(CultureInfo.InvariantCulture, $"max-age={(long)age.TotalSeconds}")
            + (options.HstsIncludeSubDomains ? "; includeSubDomains" : "")
            + (options.HstsPreload ? "; preload" : "");
}
