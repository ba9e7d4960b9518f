using System.Text.Json.Nodes;
using Microsoft.Net.Http.Headers;
using Microsoft.OpenApi;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

// Only for the document, which could not describe our members of ASP.NET's ProblemDetails.

/// <summary>An error.</summary>
/// <param name="Type">Always about:blank.</param>
/// <param name="Title">The status in words.</param>
/// <param name="Status">The answer's status.</param>
/// <param name="Detail">What is wrong, in a sentence that may be rewritten.</param>
/// <param name="Code">What is wrong, for programs. Codes keep their meaning; treat one you do not know as its status.</param>
/// <param name="Ok">Always false.</param>
/// <param name="Error">The same as detail.</param>
/// <param name="Hostname">The instance that answers, or the edge.</param>
/// <param name="Resolvedname">Its address.</param>
/// <param name="Errors">Only with content_invalid: what is wrong, by field.</param>
internal sealed record Problem(
    string Type, string Title, int Status, string Detail, string Code, bool Ok, string Error, string Hostname, string Resolvedname,
    IReadOnlyDictionary<string, string[]>? Errors = null);

/// <summary>What the OpenAPI document says beyond the signatures of the endpoints: errors, credentials and headers.</summary>
internal static class OpenApiContract
{
    public const string Basic = "basic";
    public const string Bearer = "bearer";

    // Whatever the request: the edge answers, too, and every operation has conditions.
    private static readonly int[] CommonProblems = [400, 412, 429, 500, 502, 503, 504];

    private static readonly Dictionary<string, (string Description, bool Required)> ResponseHeaders = new()
    {
        [HeaderNames.ETag] = ("The user's version: a weak tag.", true),
        [HeaderNames.Location] = ("The user's path.", true),
        [HeaderNames.RetryAfter] = ("Seconds to wait before the next attempt.", true),
        [HeaderNames.WWWAuthenticate] = ("The kind of credentials that the request needs.", true),
        [ProblemJson.OverloadedHeader] = ("true, if the code is overloaded.", false),
        ["x-envoy-ratelimited"] = ("true, if the code is rate_limited.", false),
        ["RateLimit"] = ("What is left of the edge's limit on requests, as in draft-ietf-httpapi-ratelimit-headers.", false),
        ["RateLimit-Policy"] = ("That limit.", false),
    };

    private static readonly Dictionary<string, string> RequestHeaders = new()
    {
        [HeaderNames.IfMatch] = "Tags of which one must match strongly: only * can, because all tags are weak.",
        [HeaderNames.IfNoneMatch] = "Tags of which none may match weakly, or *.",
    };

    public static void AddOpenApiContract(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        // HEAD goes without saying.
        options.ShouldInclude = operation => operation.HttpMethod != HttpMethods.Head;
        options.AddOperationTransformer((operation, context, _) =>
        {
            DescribeParameters(operation, context.Document!);
            AddResponseHeaders(operation, context.Document!);
            return Task.CompletedTask;
        });
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            return Task.CompletedTask;
        });
    });

    /// <summary>Adds these errors to those that every request can meet.</summary>
    public static RouteHandlerBuilder ProducesProblems(this RouteHandlerBuilder endpoint, params IEnumerable<int> statuses)
    {
        foreach (var status in CommonProblems.Concat(statuses).Order())
        {
            endpoint.Produces<Problem>(status, "application/problem+json");
        }

        return endpoint;
    }

    /// <summary>The request carries the credentials of one of these schemes, or if they are optional, none.</summary>
    public static RouteHandlerBuilder WithCredentials(this RouteHandlerBuilder endpoint, bool optional, params string[] schemes) =>
        endpoint.AddOpenApiOperationTransformer((operation, context, _) =>
        {
            operation.Security =
            [
                .. optional ? [new OpenApiSecurityRequirement()] : Array.Empty<OpenApiSecurityRequirement>(),
                .. schemes.Select(s => new OpenApiSecurityRequirement { [new(s, context.Document)] = [] }),
            ];
            return Task.CompletedTask;
        });

    private static void DescribeParameters(OpenApiOperation operation, OpenApiDocument document)
    {
        foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
        {
            parameter.Description = parameter.Name switch
            {
                "name" => UserName.Rule,
                "after" => "The next of the previous page.",
                _ => "The most users in the page. All that fit by default.",
            };
            if (parameter is { Name: "name" or "after", Schema: OpenApiSchema name })
            {
                (name.MinLength, name.MaxLength, name.Pattern) = (1, UserName.MaxScalars, UserName.Pattern);
            }
        }

        operation.Parameters = [.. operation.Parameters ?? [], .. RequestHeaders.Keys.Select(h => new OpenApiParameterReference(h, document))];
    }

    private static void AddResponseHeaders(OpenApiOperation operation, OpenApiDocument document)
    {
        foreach (var (status, response) in operation.Responses!)
        {
            string[] headers = status switch
            {
                "201" => [HeaderNames.ETag, HeaderNames.Location],
                "200" or "304" when operation.OperationId is nameof(UserEndpoints.GetUser) or nameof(UserPut.PutUser) => [HeaderNames.ETag],
                // What a client needs to correct its condition.
                "412" when operation.OperationId is nameof(UserEndpoints.GetUser) => [HeaderNames.ETag],
                "401" => [HeaderNames.WWWAuthenticate],
                "429" => [HeaderNames.RetryAfter, "x-envoy-ratelimited", "RateLimit", "RateLimit-Policy"],
                "503" => [HeaderNames.RetryAfter, ProblemJson.OverloadedHeader],
                _ => [],
            };
            ((OpenApiResponse)response).Headers = headers.ToDictionary(h => h, IOpenApiHeader (h) => new OpenApiHeaderReference(h, document));
        }
    }

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new()
        {
            Title = "UserSvc",
            Version = "1.0.0",
            Description = "Stores users: a name, a full name and a password. Every answer also has X-Request-Id, which names the request in the edge's log; errors have X-Content-Type-Options, and some of them Cache-Control, Expires and Pragma.",
            Contact = new() { Name = "The UserSvc authors" },
            License = new() { Name = "MIT", Url = new("https://opensource.org/license/mit") },
        };
        // ASP.NET's default repeats the client's Host header.
        document.Servers = [new() { Url = "{edge}", Variables = new Dictionary<string, OpenApiServerVariable> { ["edge"] = new() { Default = "http://localhost:8080", Description = "Where the edge is" } } }];
        document.Tags = new HashSet<OpenApiTag> { new() { Name = UserEndpoints.Tag, Description = "Users and their passwords" } };
        var components = document.Components!;
        components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Basic] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = Basic, Description = "A user's name and password, in UTF-8." },
            [Bearer] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = Bearer, Description = "The administrator's key." },
        };
        components.Headers = ResponseHeaders.ToDictionary(
            h => h.Key, IOpenApiHeader (h) => new OpenApiHeader { Description = h.Value.Description, Required = h.Value.Required, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
        components.Parameters = RequestHeaders.ToDictionary(
            h => h.Key, IOpenApiParameter (h) => new OpenApiParameter { Name = h.Key, In = ParameterLocation.Header, Description = h.Value, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
        // Not an enum: generated clients would fail on a code that a later version adds.
        ((OpenApiSchema)components.Schemas!["Problem"].Properties!["code"]).AddExtension(
            "x-extensible-enum", new JsonNodeExtension(new JsonArray([.. ProblemCode.All.Select(c => (JsonNode)c.Name)])));
    }
}
