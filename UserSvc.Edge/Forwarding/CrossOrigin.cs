using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Cors.Infrastructure;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Configuration.RouteValidators;

namespace UserSvc.Edge.Forwarding;

/// <summary>Section <c>Edge:Cors:{name}</c>: which sites' pages may use the routes that name it as their <c>CorsPolicy</c>.</summary>
internal sealed partial class CrossOriginOptions
{
    public const string Section = "Edge:Cors";

    /// <summary>Such as <c>https://app.example.com</c>; <c>*</c> alone means any, without <see cref="Credentials"/>. No default.</summary>
    public string[] Origins { get; set; } = [];

    /// <summary>Methods that pages may use. Default any.</summary>
    public string[] Methods { get; set; } = [];

    /// <summary>Request headers that pages may set. Default any.</summary>
    public string[] Headers { get; set; } = [];

    /// <summary>Whether browsers add cookies and passwords of their own. A page that sets Authorization itself does not need it. Default false.</summary>
    public bool Credentials { get; set; }

    /// <summary>How long browsers may remember a preflight. Default 10 min; whole seconds, 0 to 1 day.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>One sentence for each setting that is wrong.</summary>
    public static IEnumerable<string> Errors(IConfigurationSection section) =>
        section.GetChildren().SelectMany(policy => (policy.Get<CrossOriginOptions>() ?? new()).Errors(policy.Key).Select(error => $"{policy.Path}{error}"));

    public CorsPolicy ToPolicy()
    {
        var policy = new CorsPolicyBuilder(Origins).WithExposedHeaders("ETag", "Location", "Retry-After", "X-Request-Id").SetPreflightMaxAge(MaxAge);
        policy = Methods is [] ? policy.AllowAnyMethod() : policy.WithMethods(Methods);
        policy = Headers is [] ? policy.AllowAnyHeader() : policy.WithHeaders(Headers);
        return (Credentials ? policy.AllowCredentials() : policy).Build();
    }

    private IEnumerable<string> Errors(string name)
    {
        if (CrossOrigin.IsReserved(name))
        {
            yield return " must not be named default or disable.";
        }

        if (Origins is not ["*"] && (Origins is [] || !Origins.All(IsOrigin)))
        {
            yield return $":{nameof(Origins)} must be origins, a scheme and a host without a path, such as https://app.example.com, or * alone.";
        }

        if (Credentials && Origins is ["*"])
        {
            yield return $":{nameof(Credentials)} must be false for the origin *: name the origins instead.";
        }

        if (!Methods.Concat(Headers).All(name => Tokens().IsMatch(name)))
        {
            yield return $":{nameof(Methods)} and {nameof(Headers)} must be lists of names, such as PUT and Content-Type; leave them out to allow any.";
        }

        if (MaxAge < TimeSpan.Zero || MaxAge > TimeSpan.FromDays(1) || MaxAge.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            yield return $":{nameof(MaxAge)} must be whole seconds, from 0 to 1 day.";
        }
    }

    private static bool IsOrigin(string origin) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0
        && Uri.CheckHostName(uri.IdnHost) is not UriHostNameType.Unknown
        && origin.Equals(uri.GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"\A[!#$%&'+.^_`|~A-Za-z0-9-]+\z")]
    private static partial Regex Tokens();
}

/// <summary>CORS, by ASP.NET's middleware. Without a policy it is not in the pipeline.</summary>
internal static class CrossOrigin
{
    public static void AddCrossOrigin(this IServiceCollection services)
    {
        services.AddSingleton(new KnownSection(CrossOriginOptions.Section, typeof(Dictionary<string, CrossOriginOptions>), CrossOriginOptions.Errors));
        services.AddOptions<CorsOptions>().Configure<IConfiguration>((cors, configuration) =>
        {
            foreach (var policy in configuration.GetSection(CrossOriginOptions.Section).GetChildren())
            {
                cors.AddPolicy(policy.Key, policy.Get<CrossOriginOptions>()!.ToPolicy());
            }
        });
        services.AddSingleton<IRouteValidator, NamedPolicies>();
    }

    /// <summary>Stands after routing, which knows the policy, and outside everything that refuses requests: a page may read refusals too.</summary>
    public static void UseCrossOrigin(this WebApplication app)
    {
        if (app.Configuration.GetSection(CrossOriginOptions.Section).GetChildren().Any())
        {
            app.UseCors();
        }
    }

    /// <summary>YARP's words for ASP.NET's default policy, which the edge does not have, and for none.</summary>
    public static bool IsReserved(string? name) => name?.ToUpperInvariant() is "DEFAULT" or "DISABLE";

    private sealed class NamedPolicies : IRouteValidator
    {
        public ValueTask ValidateAsync(RouteConfig routeConfig, IList<Exception> errors)
        {
            if (IsReserved(routeConfig.CorsPolicy))
            {
                errors.Add(new ArgumentException(
                    $"CorsPolicy must name a policy below {CrossOriginOptions.Section}, not {routeConfig.CorsPolicy}, in the route {routeConfig.RouteId}. Leave it out for none."));
            }

            return ValueTask.CompletedTask;
        }
    }
}
