using System.Reflection;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Metadata;

namespace UserSvc.Api.Users;

/// <summary>
/// 200 with a user and a Content-Length, which <c>TypedResults.Ok</c> leaves out: it serialises into the response and flushes, so that
/// every answer is chunked, here and once more behind the edge.
/// </summary>
internal sealed class UserOk(UserAnswer answer) : IResult, IEndpointMetadataProvider
{
    public Task ExecuteAsync(HttpContext httpContext)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(answer, UserJson.Wire.UserAnswer);
        httpContext.Response.ContentType = "application/json; charset=utf-8";
        httpContext.Response.ContentLength = body.Length;
        return httpContext.Response.Body.WriteAsync(body, 0, body.Length);
    }

    public static void PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        builder.Metadata.Add(new ProducesResponseTypeMetadata(StatusCodes.Status200OK, typeof(UserAnswer), ["application/json"]));
}
